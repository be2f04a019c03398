"""Functions that a configuration file defines, and the clause that a call takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tree_sitter import Node

from checkout.syntax import arguments, block, called, text_of


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


def bound(clause: Clause, values: Sequence[object], value: Callable[[Node], object]) -> Mapping[str, object] | None:
    """The variables of a clause in a call; None if the call does not match it, or if that is unknown.

    + clause: of the function
    + values: of the call's arguments
    + value: evaluates a default or a literal
    """
    names: dict[str, object] = {}
    if len(values) > len(clause.parameters):
        return None
    for position, parameter in enumerate(clause.parameters):
        default = None
        if parameter.type == "binary_operator" and "\\\\" in text_of(parameter):
            default = parameter.child_by_field_name("right")
            parameter = parameter.child_by_field_name("left") or parameter
        if position >= len(values) and default is None:
            return None
        given = values[position] if position < len(values) else value(default) if default else None
        if parameter.type == "identifier":
            names[text_of(parameter)] = given
        elif value(parameter) != given:
            return None
    return names
