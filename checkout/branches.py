"""The branch that a condition of Elixir takes, as far as it is known without running the application."""

from collections.abc import Callable, Iterator

from tree_sitter import Node

from checkout.syntax import arguments, block, called, child_of, code_of, otherwise, text_of
from checkout.values import Unknown

# The calls whose branches are followed.
CONDITIONS = ("if", "unless", "case", "cond")

Value = Callable[[Node], object]

# Patterns that are compared as they stand.
LITERALS = ("string", "nil", "boolean", "atom", "integer")


def branch(node: Node, subject: object, value: Value, names: dict[str, object]) -> list[Node] | None:
    """The expressions of the branch that is taken; None if only running the code would tell.

    + node: a call of one of CONDITIONS
    + subject: the value of the condition or the matched expression; ignored for `cond`
    + value: evaluates an expression
    + names: the variables of the file; a pattern that is a name adds one
    """
    if called(node) == "cond":
        return _cond(node, value)
    if isinstance(subject, Unknown):
        return None
    if called(node) == "case":
        return _case(node, subject, value, names)
    holds = (subject not in (None, False)) == (called(node) == "if")
    return (block(node) or []) if holds else otherwise(node)


def _clauses(node: Node) -> Iterator[tuple[Node | None, Node | None, list[Node]]]:
    """Pattern, guard and body of each clause; no pattern for a clause with several arguments."""
    found = child_of(node, "do_block")
    for clause in found.named_children if found else []:
        if clause.type == "stab_clause":
            left, right = clause.child_by_field_name("left"), clause.child_by_field_name("right")
            guard = None
            if left and left.type == "binary_operator":
                guard = left.child_by_field_name("right")
                left = left.child_by_field_name("left")
            patterns = code_of(left) if left and left.type == "arguments" else []
            yield (patterns[0] if len(patterns) == 1 else None), guard, (code_of(right) if right else [])


def _case(node: Node, subject: object, value: Value, names: dict[str, object]) -> list[Node] | None:
    for pattern, guard, body in _clauses(node):
        if pattern is None or pattern.type not in (*LITERALS, "identifier"):
            return None
        if pattern.type == "identifier":
            names[text_of(pattern)] = subject
        else:
            literal = value(pattern)
            if type(literal) is not type(subject) or literal != subject:
                continue
        holds = value(guard) if guard else True
        if isinstance(holds, Unknown):
            return None
        if holds:
            return body
    return None


def _cond(node: Node, value: Value) -> list[Node] | None:
    for condition, _, body in _clauses(node):
        holds = Unknown("") if condition is None else value(condition)
        if isinstance(holds, Unknown):
            return None
        if holds not in (None, False):
            return body
    return None


def subject_of(node: Node) -> Node | None:
    """The expression that a call of one of CONDITIONS decides by; None for `cond`, and for `case` at the end of a pipe."""
    return next(iter(arguments(node)), None) if called(node) != "cond" else None
