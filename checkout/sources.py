"""What the sources of an application say about one environment: its configuration, its releases, its deploy files.

Nothing is run. Files named `*.secret.exs` are not read, not even where they are links to nowhere.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError
from tree_sitter import Node

from checkout.elixir import (
    Atom,
    Evaluator,
    Missing,
    Unknown,
    arguments,
    block,
    called,
    key_of,
    line_of,
    pairs,
    parse,
    text_of,
)
from group_data.schema.environment import Environment
from operations.host.rendering import render

# The text of a file, by its path relative to the checkout; None where there is none.
Read = Callable[[str], str | None]

RUNTIME = "config/runtime.exs"

# Of a rel/env.sh.eex or a .deliver/config: NAME=value, with what may stand before it.
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)")
_DEFAULTED = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
_EEX = re.compile(r"<%=?\s*(.*?)\s*%>")

# Of a vm.args: several may share a line, and a value does not begin as a flag does.
FLAG = r"(?<!\S)(-[a-zA-Z]\w*)(?:[ \t]+((?![+#-])(?:<%=.*?%>|\S)+))?"
_COMMENT = re.compile(r"(?<!\S)#.*")


class ApplicationError(PyinfraError):
    """A checkout that cannot be looked at."""


class Setting(NamedTuple):
    """A value and where it stands.

    + value: as Python has it
    + file: relative to the checkout
    + line: counted from 1
    """

    value: object
    file: str
    line: int


class Configuration(NamedTuple):
    """What the configuration comes to in one environment.

    + settings: by path, e.g. ("billing", "BillingWeb.Endpoint", "http", "port")
    + files: that were read, or imported and are not there or not to be read, with the place of the import
    + missing: environment variables that a file needs and the unit does not set
    """

    settings: dict[tuple[str, ...], Setting]
    files: dict[str, Setting]
    missing: list[tuple[str, Missing]]


def from_disk(checkout: Path) -> Read:
    """Reads the files of a checkout, with lines that end in a line feed alone.

    + checkout: its directory

    What it returns raises ApplicationError for a file that is not UTF-8.
    """

    def read(name: str) -> str | None:
        path = checkout / name
        try:
            return path.read_text() if path.is_file() else None
        except UnicodeDecodeError as error:
            raise ApplicationError(
                f"{name} is not UTF-8, as Elixir has it: {error.reason}. Nothing was changed"
            ) from None

    return read


def with_line_ends_of(path: Path, text: str) -> str:
    """The text with the line ends a file has.

    + path: of the file, which need not be there
    + text: with line feeds

    Raises ApplicationError for a file that has both kinds.
    """
    there = path.read_bytes() if path.is_file() else b""
    windows = there.count(b"\r\n")
    if windows not in (0, there.count(b"\n")):
        raise ApplicationError(f"{path} has line ends of both kinds: settle on one. Nothing was changed")
    return text.replace("\n", "\r\n") if windows else text


def build_variables(environment: Environment) -> dict[str, str]:
    """Environment variables a build has that configuration may ask for."""
    chosen = {"DEPLOYMENT_CONFIG": environment.deployment_config} if environment.deployment_config else {}
    return {"MIX_ENV": environment.mix_env, **chosen}


def start_variables(environment: Environment) -> dict[str, str]:
    """Environment variables the unit gives to the release."""
    lines = render("variables.j2", environment=environment).splitlines()
    words = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: shlex.split(value)[0] if value else "" for name, value in words}


def configuration(read: Read, environment: Environment) -> Configuration:
    """What config/config.exs and all it imports come to, and with mix release config/runtime.exs after them."""
    found = Configuration({}, {}, [])
    _Reader(read, environment.mix_env, build_variables(environment), found).file("config/config.exs", None)
    if environment.secrets_read_at_start and read(RUNTIME) is not None:
        _Reader(read, environment.mix_env, start_variables(environment), found).file(RUNTIME, None)
    return found


class _Reader:
    """One layer of configuration: what is known while building, or when starting."""

    def __init__(self, read: Read, mix_env: str, variables: Mapping[str, str], found: Configuration) -> None:
        self._read, self._mix_env, self._variables, self._found = read, mix_env, variables, found

    def file(self, name: str, origin: Setting | None) -> None:
        """Carry out a file; one that is there is read once."""
        seen = name in self._found.files
        self._found.files.setdefault(name, origin or Setting(name, name, 1))
        text = None if seen or name.endswith(".secret.exs") else self._read(name)
        if text is None:
            return
        evaluator = Evaluator(self._mix_env, self._variables)
        self._statements(parse(text, name).named_children, name, evaluator)
        self._found.missing.extend((name, missing) for missing in evaluator.missing)

    def _statements(self, nodes: Sequence[Node], name: str, evaluator: Evaluator) -> None:
        for node in nodes:
            match called(node):
                case "config":
                    self._config(arguments(node), name, evaluator)
                case "import_config":
                    imported = evaluator.value(arguments(node)[0])
                    if isinstance(imported, str):
                        self.file(_beside(name, imported), Setting(imported, name, line_of(node)))
                case "if" | "unless":
                    self._statements(evaluator.branch(node) or [], name, evaluator)
                case _:
                    evaluator.value(node)

    def _config(self, nodes: Sequence[Node], name: str, evaluator: Evaluator) -> None:
        *keys, last = nodes
        path = tuple(str(evaluator.value(key)) for key in keys)
        self._set(path, last, name, evaluator)

    def _set(self, path: tuple[str, ...], node: Node, name: str, evaluator: Evaluator) -> None:
        # As Config merges: keyword lists key by key, anything else as a whole.
        settings = self._found.settings
        keywords = pairs(node)
        mixed = node.type == "list" and any(child.type not in ("keywords", "comment") for child in node.named_children)
        if not keywords or mixed:
            for known in [known for known in settings if known[: len(path)] == path]:
                del settings[known]
            settings[path] = Setting(evaluator.value(node), name, line_of(node))
        for length in range(1, len(path)):
            settings.pop(path[:length], None)
        if keywords and not mixed:
            settings.pop(path, None)
        for key, value in keywords.items():
            self._set((*path, key), value, name, evaluator)


def _beside(name: str, imported: str) -> str:
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / imported).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


class Project(NamedTuple):
    """mix.exs as one environment builds with it.

    + app: the application's name; None in an umbrella
    + release: options of the application's release, with the place of each; empty where it has none
    + lists: the literal lists that lead there, by what they hold: "project", "releases", "release", "config_providers"
    """

    app: str | None
    release: dict[str, Setting]
    lists: dict[str, Node]


def project(read: Read, environment: Environment) -> Project:
    """The entry of the application among `releases:` in mix.exs."""
    root = parse(read("mix.exs") or "", "mix.exs")
    functions = dict(_functions(root))
    evaluator = Evaluator(environment.mix_env, build_variables(environment), functions)
    lists: dict[str, Node] = {}
    node: Node | None = functions["project"][-1] if "project" in functions else None
    for name, key in _WAY:
        if (node := _literal(node, functions)) is None:
            break
        lists[name] = node
        node = pairs(node).get(key.format(app=environment.app))
    if "release" in lists:
        release = {name: _place(evaluator.value(value), value) for name, value in pairs(lists["release"]).items()}
    else:
        release = dict(_anywhere(root, evaluator))
    app = pairs(lists["project"]).get("app") if "project" in lists else None
    return Project(str(evaluator.value(app)) if app else None, release, lists)


# The lists on the way to the configuration providers, each with the key that leads on.
_WAY = {"project": "releases", "releases": "{app}", "release": "config_providers", "config_providers": ""}.items()


def _place(value: object, node: Node) -> Setting:
    return Setting(value, "mix.exs", line_of(node))


def _anywhere(root: Node, evaluator: Evaluator) -> Iterator[tuple[str, Setting]]:
    """The configuration providers that stand in mix.exs, where only running it would tell which release has them."""
    found = [node for node in _descendants(root, "tuple") if text_of(node).startswith("{Config.Reader,")]
    if found:
        yield "config_providers", _place([evaluator.value(node) for node in found], found[0])


def _descendants(node: Node, kind: str) -> Iterator[Node]:
    for child in node.named_children:
        if child.type == kind:
            yield child
        yield from _descendants(child, kind)


def _functions(node: Node) -> Iterator[tuple[str, list[Node]]]:
    """Functions without parameters, and attributes, by name."""
    for child in node.named_children:
        operand = child.child_by_field_name("operand") if text_of(child).startswith("@") else None
        if operand and arguments(operand):
            yield f"@{called(operand)}", arguments(operand)
        elif called(child) in ("def", "defp"):
            head = arguments(child)[0]
            name = called(head) or text_of(head)
            if not arguments(head) and (body := block(child)):
                yield name, body
        else:
            yield from _functions(child)


def _literal(node: Node | None, functions: Mapping[str, Sequence[Node]]) -> Node | None:
    """The list a node is, or that a function or an attribute of the file ends with."""
    if node is None or node.type == "list":
        return node
    name = called(node) or text_of(node)
    return _literal(functions[name][-1], functions) if name in functions else None


def distillery_environment(read: Read, name: str) -> tuple[Node | None, dict[str, Setting]]:
    """The block of an environment in rel/config.exs, and what is set in it.

    + name: of the environment
    """
    root = parse(read("rel/config.exs") or "", "rel/config.exs")
    evaluator = Evaluator(name, {})
    found: Node | None = None
    settings: dict[str, Setting] = {}
    for node in root.named_children:
        # A second block for an environment takes the place of the first.
        if called(node) == "environment" and evaluator.value(arguments(node)[0]) == name:
            found, settings = node, {}
            for statement in block(node) or []:
                if called(statement) == "set":
                    for key, value in pairs(arguments(statement)[0]).items():
                        settings[key] = Setting(evaluator.value(value), "rel/config.exs", line_of(statement))
    return found, settings


def distillery_cookies(read: Read, environment: Environment) -> list[tuple[Node, Node]]:
    """The cookies that rel/config.exs has for an environment: the `set` of each, and the entry in it."""
    root = parse(read("rel/config.exs") or "", "rel/config.exs")
    evaluator = Evaluator(environment.environment, {})
    wanted = {"environment": environment.environment, "release": environment.app}
    return [
        (statement, pair)
        for node in root.named_children
        if (kind := called(node)) in wanted and evaluator.value(arguments(node)[0]) == Atom(wanted[kind])
        for statement in block(node) or []
        if called(statement) == "set" and arguments(statement)
        for pair in arguments(statement)[0].named_children
        if key_of(pair) == "cookie"
    ]


def flags(text: str | None, file: str) -> dict[str, Setting]:
    """The flags of a vm.args, the last of each.

    + text: of the file
    + file: its path
    """
    return {
        match[1]: Setting(match[2] or "", file, number)
        for number, line in enumerate((text or "").splitlines(), 1)
        for match in re.finditer(FLAG, _COMMENT.sub("", line))
    }


def shell_variables(
    read: Read, file: str, variables: Mapping[str, str], conditions: Evaluator | None = None
) -> dict[str, Setting]:
    """What a shell script assigns, the last of each name.

    + file: its path
    + variables: there are before
    + conditions: tells which parts of a template there are; None: it is no template
    """
    found: dict[str, Setting] = {}
    taken: list[bool] = []
    for number, line in enumerate((read(file) or "").splitlines(), 1):
        if conditions and (tag := _EEX.fullmatch(line.strip())):
            taken = _nested(tag[1], taken, conditions)
        elif all(taken) and (match := _ASSIGNMENT.fullmatch(line)):
            known = {**variables, **{name: str(setting.value) for name, setting in found.items()}}
            found[match[1]] = Setting(_shell_value(match[2], known), file, number)
    return found


def _nested(tag: str, taken: list[bool], conditions: Evaluator) -> list[bool]:
    if tag == "end":
        return taken[:-1]
    if tag == "else":
        return [*taken[:-1], not taken[-1]]
    condition = re.fullmatch(r"if (.*) do", tag)
    if not condition:
        return taken
    value = conditions.value(parse(condition[1], tag).named_children[0])
    return [*taken, not isinstance(value, Unknown) and value not in (None, False)]


def _shell_value(text: str, variables: Mapping[str, str]) -> object:
    def known(match: re.Match[str]) -> str:
        return variables.get(match[1]) or match[2]

    text = re.sub(r"\$\{?([A-Z_]+)\}?", lambda m: variables.get(m[1], m[0]), _DEFAULTED.sub(known, text))
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return Unknown(text)
    return words[0] if words else ""
