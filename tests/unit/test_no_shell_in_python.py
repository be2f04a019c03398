"""No Python string holds two lines of shell: a program of more than one line is a file that shellcheck reads."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from group_data.schema.paths import CHECKOUT

ROOMS = (
    "bench", "checkout", "commands", "connectors", "deploys", "group_data", "inspection", "operations", "preflight",
    "tests/sandbox", "vault",
)  # fmt: skip

# Marks of a line of shell. No line of prose, Elixir, SQL or TOML has one of them, or not two lines of the same text.
MARKS = re.compile(
    r"""
    ^\s*(?:if|elif|while|until)\ (?:!\ )?(?:\[|test\ |command\ |grep\ |read\ )       # conditions
    | ^\s*(?:then|done|fi|esac|shift)\b\s*(?:$|[;|&<>])                              # words that stand alone
    | ;\ (?:then|do|done|fi|esac)\b
    | ^\s*[a-z_]+\(\)\ *\{                                                           # functions
    | ^\s*(?:export\ |local\ )?[A-Za-z_]\w*=["']?(?:\$|`)                            # x=$1, x="$(date)"
    | \$\(|"\$[\w@{*\#?!]|\$\{\w|(?:^|\s)\$[1-9@\#?*](?:\s|$)                        # expansions
    | [0-9]?>&[0-9-]|[12&]?>>?\ ?/dev/(?:null|std\w+)|<<-?\\?['"]?[A-Z]\w*['"]?$     # redirections
    | (?:\|\||&&)\ (?:exit|true|false|return|break|continue|\{|\[|echo\ |cd\ |exec\ )
    | ^\s*(?:set\ -[a-z]|trap\ |umask\ \d|cd\ ["/$\w]|exit\b|exec\ |read\ -r|sleep\ [\d.]|echo\b|printf\ ["'%]|export\ \w+=)
    | ^\s*(?:sudo|rm|mv|cp|ln|mkdir|chmod|chown|cat|sed|grep|awk|find|tar|curl|ssh|git|mix|install|mount|psql|dpkg)\ -
    | ^\s*(?:rm|mv|cp|mkdir|chmod|chown|chroot|cat|touch|mount|umount|source|\.)\ (?:["$/\d~.]|\{\})
    | ^\s*(?:systemctl|apt-get|useradd|usermod|dpkg|runuser|setpriv)\ [a-z-]
    | \\$                                                                            # the line goes on
    """,
    re.VERBOSE,
)


def shell_lines(text: str) -> list[str]:
    """The lines of a text that are shell."""
    return [line for line in text.splitlines() if MARKS.search(line)]


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string and its line; values in it are {}, and parts that are added or joined at once are one string."""
    documentation = set(_documentation(tree))
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node in documentation:
            continue
        text = _text(node)
        if text is not None:
            yield getattr(node, "lineno", 0), text
        if not isinstance(node, ast.Constant):
            waiting += ast.iter_child_nodes(node)


def _documentation(tree: ast.AST) -> Iterator[ast.AST]:
    """Strings that stand alone, as docstrings do."""
    return (
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _text(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or "{}" for value in values)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            parts = _text(left), _text(right)
            return None if parts == (None, None) else "".join("{}" if part is None else part for part in parts)
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value=str(separator)), attr="join"),
            args=[ast.List(elts=elements) | ast.Tuple(elts=elements)],
        ):
            return separator.join(_text(element) or "{}" for element in elements)
    return None


def programs(source: str) -> dict[int, list[str]]:
    """Strings that hold two lines of shell or more: these, by the line the string begins in."""
    found = [(line, shell_lines(text)) for line, text in strings(ast.parse(source))]
    return {line: lines for line, lines in found if len(lines) > 1}


FILES = sorted([*CHECKOUT.glob("*.py"), *(path for room in ROOMS for path in (CHECKOUT / room).rglob("*.py"))])


def test_every_room_has_files() -> None:
    assert {room for room in ROOMS if not any(path.is_relative_to(CHECKOUT / room) for path in FILES)} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_string_holds_two_lines_of_shell(path: Path) -> None:
    assert programs(path.read_text()) == {}


SHELL = {
    "one literal": 'X = """set -eu\\ncd "$1"\\n"""',
    "lines of a literal": 'X = """\\\nset -eu\nrm -rf "$1"\n"""',
    "implicit concatenation": "f('cd \"$1\" || exit 1\\n' 'mv new old\\n' 'rm -f \"$2\"\\n')",
    "f-string": "f(f'new=$(mktemp {path})\\nchmod {mode} \"$new\"\\n')",
    "sum": "f('set -eu\\n' + BODY + 'mv -f \"$1\" \"$2\"\\n')",
    "sum of three lines": "f('exec 9> lock\\n' + ('flock 9\\n' + 'echo held\\n'))",
    "joined": "'\\n'.join(['set -eu', f'systemctl stop {unit}', 'exit 0'])",
    "within a call": "StringCommand('sh -c', QuoteString('umask 077\\ncat > \"$1\"\\n'))",
    "within an f-string": "f(f'''{run(\"\"\"set -eu\ncd /srv\"\"\")}''')",
    "functions": 'X = """say() {\\n    echo "$1"\\n}\\n"""',
    "loop": 'X = """for name in *; do\\n    echo "$name"\\ndone\\n"""',
    "condition": 'X = """if [ -e /run/a ]; then\\n    rm /run/a\\nfi\\n"""',
    "default of a parameter": 'def f(x="set -eu\\ncd /\\n"): ...',
    "class attribute": "class A:\n    x = \"trap '' TERM\\nexit 1\\n\"",
    "continued line": 'X = """tar -czf a.tar.gz \\\\\\n    b\\nrm -r b\\n"""',
}

NO_SHELL = {
    "one line": "X = 'set -eu; cd /srv && rm -rf \"$1\"'",
    "one line with its end": "X = 'rm -f \"$1\"\\n'",
    "two strings of a line": "X = ['set -eu\\n', 'cd /srv\\n']",
    "docstring of a module": '"""Runs:\n\nset -eu\ncd /srv\n"""',
    "docstring of a function": 'def f():\n    """Runs:\n\n    set -eu\n    cd /srv\n    """',
    "Elixir": (
        'X = """if config_env() == :prod do\\n  url = System.get_env("URL") || raise "no URL"\\n  port = 4000\\n'
        'else\\n  IO.puts("#{url}")\\nend\\n"""'
    ),
    "SQL": (
        "X = \"\"\"SELECT coalesce(a, '') || ' FROM ' || b\\nFROM pg_database\\nWHERE datname = '{name}'\\n"
        '\\\\\\\\connect a\\nSET log_statement = \'none\';\\n"""'
    ),
    "TOML": 'X = """[tool.ruff]\\nline-length = 120\\nselect = ["A"]\\n"""',
    "settings": 'X = """user=billing\\nport=4000\\n"""',
    "prose": 'X = """Set hsts = False.\\nThen apply; do it again if that fails.\\nFind out why, and read on.\\n"""',
}


@pytest.mark.parametrize("source", SHELL.values(), ids=SHELL)
def test_two_lines_of_shell_are_found(source: str) -> None:
    assert programs(source) != {}


@pytest.mark.parametrize("source", NO_SHELL.values(), ids=NO_SHELL)
def test_other_strings_are_not_taken_for_two_lines_of_shell(source: str) -> None:
    assert programs(source) == {}
