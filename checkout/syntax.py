"""The syntax tree of Elixir, from the grammar that GitHub and editors use (tree-sitter).

This computer must not run an application's code, so its files are parsed. A parser also knows the line of a value.
"""

from functools import lru_cache

import tree_sitter_elixir
from pyinfra.api.exceptions import PyinfraError
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_elixir.language()))


class ElixirError(PyinfraError):
    """A file that is not Elixir. A PyinfraError, because only those are shown without a traceback."""


# Comparing reads the same files many times.
@lru_cache(maxsize=256)
def parse(text: str, name: str) -> Node:
    """The syntax tree of a file.

    + text: of the file
    + name: of the file, for the message

    Raises ElixirError when it is not Elixir.
    """
    root = _PARSER.parse(text.encode()).root_node
    if root.has_error:
        raise ElixirError(f"{name}:{line_of(_first_error(root))}: this is not Elixir: correct it. Nothing was changed.")
    return root


def line_of(node: Node) -> int:
    """The first line of a node, counted from 1."""
    return node.start_point[0] + 1


def text_of(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def called(node: Node) -> str | None:
    """The function a node calls, such as `config` or `System.get_env`; None when it is no call."""
    target = node.child_by_field_name("target") if node.type == "call" else None
    return text_of(target) if target else None


def arguments(node: Node) -> list[Node]:
    """The arguments of a call; a keyword list without brackets is one argument."""
    found = child_of(node, "arguments")
    return code_of(found) if found else []


def block(node: Node) -> list[Node] | None:
    """The expressions between `do` and `end`, or after `do:`, up to an `else`; None without a `do`."""
    found = child_of(node, "do_block")
    if found:
        return [child for child in code_of(found) if child.type != "else_block"]
    pair = pairs(arguments(node)[-1]).get("do") if arguments(node) else None
    return [pair] if pair else None


def otherwise(node: Node) -> list[Node]:
    """The expressions after `else`; an empty list without one."""
    found = child_of(node, "do_block")
    if found:
        other = child_of(found, "else_block")
        return code_of(other) if other else []
    pair = pairs(arguments(node)[-1]).get("else") if arguments(node) else None
    return [pair] if pair else []


def pairs(node: Node) -> dict[str, Node]:
    """The values of a keyword list by key. Of equal keys the first counts, as in `Keyword.get/2`."""
    found: dict[str, Node] = {}
    for child in node.named_children if node.type in ("list", "keywords") else []:
        if child.type == "keywords":
            found = pairs(child) | found
        elif child.type == "tuple":
            match code_of(child):
                case [key, value] if key.type == "atom":
                    found.setdefault(text_of(key)[1:], value)
        elif name := key_of(child):
            found.setdefault(name, child.child_by_field_name("value") or child)
    return found


def key_of(pair: Node) -> str | None:
    """The key of an entry `key: value` in a keyword list; None for any other node."""
    key = pair.child_by_field_name("key") if pair.type == "pair" else None
    return text_of(key).strip().removesuffix(":").strip('"') if key else None


def child_of(node: Node, kind: str) -> Node | None:
    """The first child of a type; None without one.

    + kind: type in the grammar
    """
    return next((child for child in node.named_children if child.type == kind), None)


def code_of(node: Node) -> list[Node]:
    """The children of a node without comments."""
    return [child for child in node.named_children if child.type != "comment"]


def _first_error(node: Node) -> Node:
    if node.is_error or node.is_missing:
        return node
    return next((_first_error(child) for child in node.children if child.has_error or child.is_missing), node)
