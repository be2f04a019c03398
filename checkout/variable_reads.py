"""How Elixir reads environment variables: the names in an expression, and Dotenvy's types and defaults."""

import re
from collections.abc import Sequence

from checkout.values import Atom, Unknown

_READ = re.compile(r'\b(?:get_env|fetch_env!?|env!)\(\s*"([A-Z][A-Z0-9_]*)"')

_WORD = re.compile(r"(?<![\w.:@\"])[a-z_]\w*\b(?![(:.])")


def names_in(text: str) -> tuple[list[str], list[str]]:
    """The environment variables that an expression reads, and the words in it that may be variables of the file.

    + text: source of the expression
    """
    return _READ.findall(text), _WORD.findall(text)


# One variable or another, with or without a default, as text or as a number.
_PLAIN = re.compile(
    r"\s*(?:String\.to_integer\(\s*)?(?:System\.|Dotenvy\.)?(?:get_env|fetch_env!|env!)\([^#<+]*", re.DOTALL
)


def is_plain_read(text: str) -> bool:
    """Whether an expression is the value of an environment variable and nothing is added to it.

    + text: source of the expression
    """
    return _PLAIN.fullmatch(text) is not None


def converted(text: str, more: Sequence[object]) -> object:
    """The value of a variable that is set.

    + text: of the variable
    + more: the other arguments of Dotenvy's `env!`: type and default
    """
    kind = str(more[0]).rstrip("!?") if more and isinstance(more[0], Atom) else "string"
    match kind:
        case "integer" if re.fullmatch(r"[+-]?\d+", text):
            return int(text)
        case "boolean":
            return text.lower() not in ("false", "0", "")
        case "atom":
            return Atom(text)
        case "string":
            return text
        case _:
            return Unknown(text)


def default_of(more: Sequence[object]) -> tuple[object] | None:
    """The default of a variable that is not set; None if there is none and the file stops without the variable.

    + more: the arguments after the name: none for System.fetch_env!; type and default for Dotenvy's `env!`
    """
    return (more[1],) if len(more) > 1 else None
