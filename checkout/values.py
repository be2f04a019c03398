"""Values of Elixir in Python, and the place of a value in a file."""

from typing import NamedTuple


class Atom(str):
    """An atom without its colon, or the name of a module without `Elixir.`. A string of Elixir is a plain str."""

    __slots__ = ()


class Unknown(NamedTuple):
    """A value that is known only by running the application.

    + text: the expression
    """

    text: str


class Missing(NamedTuple):
    """An environment variable that a file needs and nobody sets.

    + name: of the variable
    + line: of the file, counted from 1
    """

    name: str
    line: int


class Setting(NamedTuple):
    """A value and its place.

    + value: in Python
    + file: relative to the checkout
    + line: counted from 1
    + unset: environment variables that the value was looked for in and that are not set
    """

    value: object
    file: str
    line: int
    unset: tuple[str, ...] = ()


def shown(value: object) -> str:
    """A value in Elixir's syntax."""
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
