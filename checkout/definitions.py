"""Functions that a configuration file defines, and the clause that a call takes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node

from checkout.branches import LITERALS
from checkout.syntax import arguments, block, called, text_of
from checkout.values import Unknown


class Clause(NamedTuple):
    """One clause of a function.

    + parameters: patterns, the last ones perhaps with a default
    + guard: the condition after `when`; None without one
    + body: its expressions
    """

    parameters: list[Node]
    guard: Node | None
    body: list[Node]


def definitions(root: Node) -> dict[str, list[Clause]]:
    """The functions of a file with parameters, by name without a module, with their clauses in order.

    + root: syntax tree of the file
    """
    found: dict[str, list[Clause]] = {}
    for node in _functions(root):
        head, guard = arguments(node)[0], None
        if head.type == "binary_operator":
            guard = head.child_by_field_name("right")
            head = head.child_by_field_name("left") or head
        if (name := called(head)) and arguments(head):
            found.setdefault(name, []).append(Clause(arguments(head), guard, block(node) or []))
    return found


def _functions(node: Node) -> Iterator[Node]:
    for child in node.named_children:
        if called(child) in ("def", "defp") and arguments(child):
            yield child
        elif called(child) == "defmodule" or child.type == "do_block":
            yield from _functions(child)


def bound(
    clause: Clause, values: Sequence[object], value: Callable[[Node], object]
) -> dict[str, object] | Unknown | None:
    """The variables of a clause in a call; None if the call does not match it, `Unknown` if only running it would tell.

    + clause: of the function
    + values: of the call's arguments
    + value: evaluates a default or a literal
    """
    names: dict[str, object] = {}
    if len(values) > len(clause.parameters):
        return None
    for position, parameter in enumerate(clause.parameters):
        pattern, default = _parted(parameter)
        if position >= len(values) and default is None:
            return None
        given = values[position] if position < len(values) else value(default) if default else None
        if pattern.type == "identifier":
            names[text_of(pattern)] = given
        elif pattern.type not in LITERALS:
            return Unknown(text_of(pattern))
        elif type(literal := value(pattern)) is not type(given) or literal != given:
            return None
    return names


def _parted(parameter: Node) -> tuple[Node, Node | None]:
    """Pattern and default of a parameter."""
    left, right = parameter.child_by_field_name("left"), parameter.child_by_field_name("right")
    if parameter.type == "binary_operator" and left and right and "\\\\" in text_of(parameter):
        return left, right
    return parameter, None
