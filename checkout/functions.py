"""Functions and operators of Elixir that configuration uses, for values that are known."""

import re
from collections.abc import Sequence

from checkout.values import Atom, Unknown


def call(name: str, values: Sequence[object], text: str) -> object:
    """The value of a call; `Unknown` for any other function.

    + name: of the function
    + values: of the arguments
    + text: source of the call
    """
    match name, values:
        case ("is_nil", [value]):
            return value is None
        case ("is_binary", [value]):
            return isinstance(value, str) and not isinstance(value, Atom)
        case ("String.to_integer", [str() as digits]) if re.fullmatch(r"[+-]?\d+", digits):
            return int(digits)
        case ("String.to_atom" | "String.to_existing_atom", [str() as word]):
            return {"true": True, "false": False, "nil": None}.get(word, Atom(word))
        case ("to_string" | "Atom.to_string" | "Integer.to_string", [value]):
            return to_text(value)
        case ("to_charlist" | "String.to_charlist" | "String.trim", [str() as string]):
            return string.strip() if name == "String.trim" else string
        case ("Path.join", [str() as first, str() as second]):
            return f"{first.rstrip('/')}/{second.lstrip('/')}"
        case _:
            return Unknown(text)


def operation(operator: str, first: object, second: object, text: str) -> object:
    """The value of an operation; `Unknown` for any other operator.

    + operator: its sign
    + first: left operand
    + second: right operand
    + text: source of the operation
    """
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


def to_text(value: object) -> str:
    """A value as `to_string/1` makes it a text.

    + value: in Python
    """
    return "" if value is None else value if isinstance(value, str) else str(value).lower()
