"""Elixir that is read and not run: what an expression comes to in one environment, as far as that can be told.

An application's sources are not ours to execute on whatever computer asks, and only a parser knows the line a value stands
in. tree-sitter's grammar of Elixir is the one GitHub and editors use.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import tree_sitter_elixir
from pyinfra.api.exceptions import PyinfraError
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_elixir.language()))

_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "s": " ",
    "0": "\0",
    "e": "\033",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


class ElixirError(PyinfraError):
    """A file that is no Elixir. A PyinfraError, because only those are shown without a traceback."""


class Atom(str):
    """An atom without its colon, or a module's name without `Elixir.`; strings of Elixir are strings here."""

    __slots__ = ()


class Unknown(NamedTuple):
    """What cannot be told without running the application.

    + text: the expression
    """

    text: str


class Missing(NamedTuple):
    """An environment variable that is needed and not set.

    + name: of the variable
    + line: that needs it
    """

    name: str
    line: int


def parse(text: str, name: str) -> Node:
    """The syntax tree of a file.

    + text: of the file
    + name: of the file, for the message

    Raises ElixirError when it is no Elixir.
    """
    root = _PARSER.parse(text.encode()).root_node
    if root.has_error:
        raise ElixirError(f"{name}:{line_of(_first_error(root))}: this is no Elixir: mend it. Nothing was changed.")
    return root


def line_of(node: Node) -> int:
    """The line a node begins in, counted from 1."""
    return node.start_point[0] + 1


def text_of(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def called(node: Node) -> str | None:
    """The function a node calls, such as `config` or `System.get_env`; None when it is no call."""
    target = node.child_by_field_name("target") if node.type == "call" else None
    return text_of(target) if target else None


def arguments(node: Node) -> list[Node]:
    """The arguments of a call, a keyword list without brackets being one of them."""
    found = _child(node, "arguments")
    return found.named_children if found else []


def block(node: Node) -> list[Node] | None:
    """What stands between `do` and `end`, or after `do:`; None without either. An `else` is left out."""
    found = _child(node, "do_block")
    if found:
        return [child for child in _code(found) if child.type != "else_block"]
    pair = pairs(arguments(node)[-1]).get("do") if arguments(node) else None
    return [pair] if pair else None


def otherwise(node: Node) -> list[Node]:
    """What stands after `else`; nothing without one."""
    found = _child(node, "do_block")
    if found:
        other = _child(found, "else_block")
        return _code(other) if other else []
    pair = pairs(arguments(node)[-1]).get("else") if arguments(node) else None
    return [pair] if pair else []


def pairs(node: Node) -> dict[str, Node]:
    """The values of a keyword list by key, the first of equal ones, as `Keyword.get/2` takes it."""
    found: dict[str, Node] = {}
    for child in node.named_children if node.type in ("list", "keywords") else []:
        if child.type == "keywords":
            found = pairs(child) | found
        elif child.type == "tuple":
            match _code(child):
                case [key, value] if key.type == "atom":
                    found.setdefault(text_of(key)[1:], value)
        elif name := key_of(child):
            found.setdefault(name, child.child_by_field_name("value") or child)
    return found


def key_of(pair: Node) -> str | None:
    """The key of an entry of a keyword list, written `key: value`; None where it is no such entry."""
    key = pair.child_by_field_name("key") if pair.type == "pair" else None
    return text_of(key).strip().removesuffix(":").strip('"') if key else None


def shown(value: object) -> str:
    """A value as Elixir writes it."""
    match value:
        case Unknown(text):
            return text
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case Atom():
            return value if value[:1].isupper() else f":{value}"
        case str():
            return f'"{value}"'
        case tuple():
            return "{" + ", ".join(map(shown, value)) + "}"
        case list():
            return "[" + ", ".join(map(shown, value)) + "]"
        case _:
            return str(value)


@dataclass
class Evaluator:
    """Expressions of one file in one environment.

    + mix_env: what `config_env()` and `Mix.env()` are
    + variables: the environment variables there are
    + functions: bodies of the file's own functions without parameters, by name, and of attributes, such as `@version`
    + names: what was assigned so far
    + missing: variables that were needed and are not set, so far
    """

    mix_env: str
    variables: Mapping[str, str]
    functions: Mapping[str, Sequence[Node]] = field(default_factory=dict)
    names: dict[str, object] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    def value(self, node: Node) -> object:
        """What a node comes to; `Unknown` where only running it would tell. Keyword lists are lists of pairs."""
        match node.type:
            case "integer":
                return int(text_of(node).replace("_", ""), 0)
            case "boolean":
                return text_of(node) == "true"
            case "nil":
                return None
            case "atom":
                return Atom(text_of(node)[1:])
            case "alias":
                return Atom(text_of(node))
            case "quoted_atom":
                text = self._string(node)
                return Atom(text) if isinstance(text, str) else text
            case "string" | "charlist":
                return self._string(node)
            case "list" | "keywords":
                return self._items(node)
            case "tuple":
                return tuple(
                    self._items(child) if child.type == "keywords" else self.value(child) for child in _code(node)
                )
            case "block":
                return self._last(node.named_children, node)
            case "identifier":
                return self.names.get(text_of(node), Unknown(text_of(node)))
            case "unary_operator":
                return self._unary(node)
            case "binary_operator":
                return self._binary(node)
            case "call":
                return self._call(node)
            case _:
                return Unknown(text_of(node))

    def _string(self, node: Node) -> object:
        text = ""
        for part in node.named_children:
            if part.type == "interpolation":
                inner = self._last(part.named_children, part)
                if isinstance(inner, Unknown):
                    return Unknown(text_of(node))
                text += _to_string(inner)
            elif part.type == "escape_sequence":
                text += _ESCAPES.get(text_of(part)[1:], text_of(part)[1:])
            else:
                text += text_of(part)
        return text

    def _items(self, node: Node) -> list[object]:
        if node.type == "keywords":
            return [(Atom(key), self.value(value)) for key, value in pairs(node).items()]
        items: list[object] = []
        for child in _code(node):
            items += self._items(child) if child.type == "keywords" else [self.value(child)]
        return items

    def _unary(self, node: Node) -> object:
        if text_of(node) in self.functions:
            return self._last(self.functions[text_of(node)], node)
        operand = node.child_by_field_name("operand")
        value = self.value(operand) if operand else Unknown("")
        match _operator(node), value:
            case (_, Unknown()):
                return Unknown(text_of(node))
            case ("-", int()):
                return -value
            case ("not" | "!", _):
                return value in (None, False)
            case _:
                return Unknown(text_of(node))

    def _binary(self, node: Node) -> object:
        operator, left, right = _operator(node), node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            return Unknown(text_of(node))
        if operator == "=":
            value = self.value(right)
            if left.type == "identifier":
                self.names[text_of(left)] = value
            return value
        if operator == "|>":
            return self._apply(right, [self.value(left), *map(self.value, arguments(right))])
        first = self.value(left)
        if isinstance(first, Unknown):
            return Unknown(text_of(node))
        if operator in ("||", "or", "&&", "and"):
            if (first in (None, False)) == (operator in ("&&", "and")):
                return first
            if called(right) == "raise":
                self._note_missing(left)
            return self.value(right)
        second = self.value(right)
        if isinstance(second, Unknown):
            return Unknown(text_of(node))
        return _operation(operator, first, second, text_of(node))

    def _call(self, node: Node) -> object:
        if called(node) in ("if", "unless"):
            branch = self.branch(node)
            return Unknown(text_of(node)) if branch is None else self._last(branch, node)
        return self._apply(node, list(map(self.value, arguments(node))))

    def branch(self, node: Node) -> list[Node] | None:
        """The side of an `if` or `unless` that is taken; None when its condition cannot be told."""
        condition = self.value(arguments(node)[0])
        if isinstance(condition, Unknown):
            return None
        holds = (condition not in (None, False)) == (called(node) == "if")
        return (block(node) or []) if holds else otherwise(node)

    def _apply(self, node: Node, values: Sequence[object]) -> object:
        name = called(node) or text_of(node)
        if any(isinstance(value, Unknown) for value in values):
            return Unknown(text_of(node))
        match name, values:
            case ("config_env" | "Mix.env", []):
                return Atom(self.mix_env)
            case ("System.get_env", [str() as variable]):
                return self.variables.get(variable)
            case ("System.get_env", [str() as variable, default]):
                return self.variables.get(variable, default)
            case ("System.fetch_env!" | "System.get_env!", [str() as variable]):
                if variable not in self.variables:
                    self.missing.append(Missing(variable, line_of(node)))
                return self.variables.get(variable, Unknown(text_of(node)))
            case ("String.to_integer", [str() as text]) if re.fullmatch(r"[+-]?\d+", text):
                return int(text)
            case ("String.to_atom", [str() as text]):
                return Atom(text)
            case ("to_string" | "Atom.to_string" | "Integer.to_string", [value]):
                return _to_string(value)
            case ("to_charlist" | "String.to_charlist" | "String.trim", [str() as text]):
                return text.strip() if name == "String.trim" else text
            case ("Path.join", [str() as first, str() as second]):
                return f"{first.rstrip('/')}/{second.lstrip('/')}"
            case (_, []) if name in self.functions:
                return self._last(self.functions[name], node)
            case _:
                return Unknown(text_of(node))

    def _last(self, expressions: Sequence[Node], node: Node) -> object:
        values = [self.value(expression) for expression in expressions if expression.type != "comment"]
        return values[-1] if values else Unknown(text_of(node))

    def _note_missing(self, node: Node) -> None:
        """`System.get_env("NAME") || raise "…"`, as Phoenix's generator writes it."""
        name = self.value(arguments(node)[0]) if called(node) == "System.get_env" and arguments(node) else None
        if isinstance(name, str):
            self.missing.append(Missing(name, line_of(node)))


def _operation(operator: str, first: object, second: object, text: str) -> object:
    match operator, first, second:
        case ("==" | "===", _, _):
            return first == second and isinstance(first, Atom) == isinstance(second, Atom)
        case ("!=" | "!==", _, _):
            return first != second or isinstance(first, Atom) != isinstance(second, Atom)
        case ("<>", str(), str()):
            return first + second
        case ("++", list(), list()):
            return first + second
        case ("in", _, list()):
            return first in second
        case _:
            return Unknown(text)


def _operator(node: Node) -> str:
    found = node.child_by_field_name("operator")
    return text_of(found) if found else ""


def _to_string(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value).lower()


def _child(node: Node, kind: str) -> Node | None:
    return next((child for child in node.named_children if child.type == kind), None)


def _code(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _first_error(node: Node) -> Node:
    if node.is_error or node.is_missing:
        return node
    return next((_first_error(child) for child in node.children if child.has_error or child.is_missing), node)
