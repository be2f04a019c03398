"""docs/troubleshooting.md has the words of every message of a program."""

import re
from pathlib import Path

import pytest

from group_data.schema.paths import CHECKOUT
from operations.host import program
from tests.unit.test_troubleshooting import WORDS, plain

# Commands that say why a program fails, and what they say: between double quotes, or in single ones.
SAYING = re.compile(r"""\b(?:echo|fail|refuse)\ (?:"((?:[^"\\]|\\.)*)"|'([^']*)')""", re.VERBOSE)
COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
# What the shell fills in, with the rest of a path after it.
VALUE = re.compile(r"\$(?:\((?:[^()]|\([^()]*\))*\)|\{[^}]*\}|\w+|[@*#?])(?:[/.][\w./-]*)?")


def undocumented(script: str, documentation: str) -> list[str]:
    """Messages whose longest fixed part does not begin in the document as it does in the program."""
    missing = []
    for text in map("".join, SAYING.findall(COMMENT.sub("", script))):
        words = max((plain(part).split() for part in VALUE.split(text)), key=len)
        # An answer of a command within the text: data for a fact, and no message.
        if "$(" not in text and len(text.split()) >= WORDS and " ".join(words[:WORDS]) not in documentation:
            missing.append(text)
    return missing


@pytest.mark.parametrize("path", sorted(program.PROGRAMS.glob("*.sh")), ids=lambda path: path.name)
def test_every_message_is_explained(path: Path) -> None:
    documentation = plain((CHECKOUT / "docs" / "troubleshooting.md").read_text())
    assert undocumented(path.read_text(), documentation) == []


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ('fail "$name is something that nobody has written down"', True),
        ("refuse 'something that nobody has written down'", True),
        ('[ -e a ] || { echo "something that nobody has written down" >&2; exit 1; }', True),
        ('echo "the disk of $name is full: make room"', False),
        ('echo "$1 $2 $3 $4 $5"', False),
        ("# fail 'something that nobody has written down'", False),
        ("say 'something that nobody has written down'", False),
    ],
)
def test_a_message_that_is_not_explained_is_found(script: str, *, missing: bool) -> None:
    assert bool(undocumented(script, "the disk of … is full: make room there")) == missing
