"""docs/troubleshooting.md has the words of every message with which the project's own code stops or explains something."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
ROOMS = ("checkout", "commands", "deploys", "group_data/schema", "inspection", "operations", "preflight", "vault")
SOURCES = [
    CHECKOUT / "deploy.py",
    *(
        source
        for room in (
            "checkout",
            "commands",
            "deploys",
            "group_data/schema",
            "inspection",
            "operations",
            "preflight",
            "vault",
        )
        for source in sorted((CHECKOUT / room).rglob("*.py"))
        # The generated reference speaks to people who change the models; the doctor's findings explain themselves.
        if source.stem != "reference" and not source.stem.startswith("diagnosis")
    ),
    *sorted((CHECKOUT / "tests/sandbox").glob("*.py")),
]
# Besides what is raised and yielded: what these are called with.
SAYING = re.compile(r"announce|log|problem|Problem|print|echo|append|\w+Error|on_interruption")
# And what stands in these variables until then.
SAID = re.compile(r"^(text|way|advice|message|problem|reason|footer|HALF_[A-Z]+)$")
# Shorter texts are parts of others, and names. Long messages stand in the document by their beginning.
WORDS = 5
# What looks like a message and is a command or a statement.
COMMAND = re.compile(r"^(SET|SELECT|ALTER|CREATE|REVOKE|GRANT|WITH|DEBIAN_FRONTEND=\w+|systemctl|psql|sed|echo) ")


def messages(source: Path) -> set[str]:
    """Every message in a module, with … for what is filled in."""
    return {
        text
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.Raise | ast.Yield)
        or (isinstance(node, ast.Call) and SAYING.fullmatch(called(node)))
        or (isinstance(node, ast.Assign) and SAID.search(ast.unparse(node.targets[0])))
        for text in texts(node)
        if len(text.split()) >= WORDS and not COMMAND.match(text)
    }


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def texts(node: ast.AST) -> Iterator[str]:
    """Every whole text below a node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)  # type: ignore[misc]
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def undocumented(source: Path, documentation: str) -> list[str]:
    """Messages whose longest fixed part does not begin in the document as it does in the code."""
    missing = []
    for text in sorted(messages(source)):
        words = max((plain(part).split() for part in text.split("…")), key=len)
        if " ".join(words[:WORDS]) not in documentation:
            missing.append(f"{source.name}: {text}")
    return missing


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_message_is_explained(source: Path) -> None:
    assert undocumented(source, plain((CHECKOUT / "docs/troubleshooting.md").read_text())) == []


def test_every_message_of_the_installation_is_explained() -> None:
    said = re.findall(r'echo "([^"$]{15,}?)[."$]', (CHECKOUT / "commands/install.sh").read_text())
    documentation = plain((CHECKOUT / "docs/troubleshooting.md").read_text())
    assert said
    assert [text for text in said if text.strip() not in documentation] == []


def test_a_message_that_is_not_explained_is_found(tmp_path: Path) -> None:
    source = tmp_path / "new.py"
    source.write_text('raise ValueError(f"{name} is something that nobody has written down")\n')
    assert undocumented(source, "nothing") == ["new.py: … is something that nobody has written down"]
