"""The README and docs/ only name existing files, targets and commands."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from group_data.schema.settings import Settings

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
ROOMS = (
    "bench|checkout|commands|connectors|deploys|docs|examples|group_data|inspection|operations|preflight|templates|tests"
    "|vault"
)
# A path below one of the rooms, outside of names that are filled in.
PATH = re.compile(rf"(?<![\w./<-])(?:{ROOMS})/[\w./-]*\w(?![\w<…*])")
# Names of examples, and files that the operator makes.
EXAMPLES = re.compile(r"group_data/qa\.py|vault/\w+(\.age)?")
TARGET = re.compile(r"^([a-z-]+):.*## ", re.MULTILINE)


def targets() -> set[str]:
    return set(TARGET.findall((CHECKOUT / "Makefile").read_text()))


def is_there(name: str) -> bool:
    return (CHECKOUT / name).exists() or (CHECKOUT / f"{name}.py").exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    named = {name.rstrip(".") for name in PATH.findall(document.read_text())}
    assert sorted(name for name in named if not is_there(name) and not EXAMPLES.fullmatch(name)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_target_and_command_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    assert set(re.findall(r"(?:`|^ {4}|&& |- |run: )make ([a-z][a-z-]*)", text, re.MULTILINE)) - targets() == set()
    assert [name for name in re.findall(r"-m commands\.([a-z]\w*)", text) if not is_there(f"commands/{name}.py")] == []


SOURCES = [
    path
    for room in ROOMS.split("|")
    if room not in ("docs", "tests", "bench", "examples")
    for path in sorted((CHECKOUT / room).rglob("*"))
    if path.suffix in (".py", ".sh", ".j2")
]
# A command with variables, as documents and messages name it. The names that are filled in have … or braces.
WITH_VARIABLES = re.compile(r"\bmake ([a-z][a-z-]+)((?: (?:\[)?[A-Z_]+=(?:'[^']*'|[^\s`,;:)\]|]*)(?:\])?)+)")


def variables() -> dict[str, set[str]]:
    """The variables that each target of the Makefile reads."""
    text = (CHECKOUT / "Makefile").read_text()
    definitions = dict(re.findall(r"^([A-Z]+) :?= (.*)$", text, re.MULTILINE))
    taken: dict[str, set[str]] = {}
    for names, rest in re.findall(r"^([a-z][a-z -]*):(?!=)(.*\n(?:\t.*\n)*)", text, re.MULTILINE):
        # One may be made of others.
        for name, definition in [*definitions.items()] * 2:
            rest = rest.replace(f"$({name})", definition)
        read = set(re.findall(r"call (?:given|option|flag|text|each),([A-Z_]+)", rest))
        for name in names.split():
            taken.setdefault(name, set()).update(read)
    return taken


def wrong(text: str) -> list[str]:
    """Commands in a text that name a target or a variable that there is not."""
    known = variables()
    return [
        f"make {target}{rest}"
        for target, rest in WITH_VARIABLES.findall(text)
        # Erlang's own, in a program that builds it.
        if target != "install" and set(re.findall(r" \[?([A-Z_]+)=", rest)) - known.get(target, set())
    ]


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=lambda path: path.name)
def test_every_command_takes_the_variables_that_are_named(path: Path) -> None:
    assert wrong(path.read_text()) == []


def test_a_command_with_a_variable_that_it_does_not_take_is_found() -> None:
    assert (
        wrong("run `make plan ENV=stage`, or make vault-show ENV=… KEY=… and make rollback VERSION=1 ENV=stage") == []
    )
    assert wrong("make plan VERSION=1") == ["make plan VERSION=1"]
    assert wrong("make nothing ENV=stage") == ["make nothing ENV=stage"]


def test_every_target_is_in_the_table_of_commands() -> None:
    table = re.findall(r"^\| ((?:`[^`]*`(?:, )?)+) \|", (CHECKOUT / "docs/commands.md").read_text(), re.MULTILINE)
    listed = {name for cell in table for name in re.findall(r"`([a-z-]+)", cell)}
    assert targets() - listed == set()
    assert len(targets()) > 30


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 150


def test_a_file_that_is_not_there_is_found() -> None:
    assert PATH.findall("see `operations/nothing.py` and `vault/<environment>.age`") == ["operations/nothing.py"]
    assert not is_there("operations/nothing.py")


def test_actions_of_others_are_pinned_and_leave_no_credentials() -> None:
    used = re.findall(r"^ *- uses: (\S+)(.*(?:\n {8,}.*)*)", (CHECKOUT / "docs/ci.md").read_text(), re.MULTILINE)
    assert used
    assert [action for action, _ in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action)] == []
    assert [action for action, rest in used if "persist-credentials: false" not in rest] == []


# A setting with a value that Python reads: in advice, in messages, in examples.
SETTING = re.compile(
    r"""(?<![\w.:\-@])([a-z][a-z_]{2,}) = """
    r"""("[^"\n`…]*"|'[^'\n`…]*'|True|False|\d+(?![\d.…])|\[[^\]\n`…]*\])(?=[`,.;)\s:]|$)""",
    re.MULTILINE,
)
# Of the inventory, of a vault's text and of PostgreSQL.
REQUIRED: dict[str, Any] = {"app": "billing", "environment": "stage", "domain": "example.com", "port": 4001}
OTHER_NAMES = {"environment", "ssh_port", "stage", "prod", "key", "listen_addresses"}


def wrong_settings(text: str) -> list[str]:
    """Settings in a text that group data does not have, or that it refuses with this value."""
    found, validator = [], Settings.__pydantic_validator__
    for name, value in SETTING.findall(text):
        if name in OTHER_NAMES:
            continue
        try:
            validator.validate_assignment(Settings.model_construct(**REQUIRED), name, ast.literal_eval(value))
        except (ValidationError, SyntaxError, ValueError):
            found.append(f"{name} = {value}")
    return found


@pytest.mark.parametrize("name", ["troubleshooting", "releases", "sites", "database", "secrets", "security", "drift"])
def test_every_setting_that_a_page_advises_is_taken(name: str) -> None:
    assert wrong_settings((CHECKOUT / f"docs/{name}.md").read_text()) == []


def test_a_setting_that_is_refused_is_found() -> None:
    assert wrong_settings("set `hsts_max_age = 0`, or tls = 'acme', or `secret_variables = [\"STRIPE_KEY\"]`") == []
    assert wrong_settings("set `tls = 'maybe'` or `prot = 4000`") == ["tls = 'maybe'", "prot = 4000"]
