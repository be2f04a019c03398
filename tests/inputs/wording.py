"""Tells text of a secret in a message from the message's own text."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import vault
from group_data.schema import secrets

# A secret's piece of so many characters in a message is no accident.
GIVEAWAY = 8


def leaks(message: str, values: Iterable[str]) -> set[str]:
    """The pieces of secrets in a message.

    hypothesis draws secrets from the strings in the sources too, so a secret may hold words that every message of its kind
    has. A piece that stands in the sources says nothing about the secret.

    + message: about a vault, without the names of its keys
    + values: the secrets
    """
    texts = list(values)
    found = {piece for piece in _pieces(message) if any(piece in text for text in texts)}
    return found - _own_pieces()


@cache
def _own_pieces() -> frozenset[str]:
    """All pieces of strings in the code that reads vaults."""
    files = [Path(secrets.__file__), *Path(vault.__file__).parent.glob("*.py")]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    constants = (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return frozenset(piece for constant in constants for piece in _pieces(constant))


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + GIVEAWAY] for start in range(len(text) - GIVEAWAY + 1))
