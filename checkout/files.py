"""The files of a checkout, as text."""

from collections.abc import Callable
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

# Returns the text of a file by its path relative to the checkout; None if there is no file.
Read = Callable[[str], str | None]


class ApplicationError(PyinfraError):
    """A checkout that cannot be read. A PyinfraError, because only those are shown without a traceback."""


def from_disk(checkout: Path) -> Read:
    """A reader for the files of a checkout. Each line of a text ends in a line feed, also in a file with Windows' line ends.

    + checkout: its directory

    The reader raises ApplicationError when a file is not UTF-8, and when a link leads out of the checkout.
    """

    def read(name: str) -> str | None:
        path = checkout / name
        require_inside(checkout, path)
        try:
            return path.read_text() if path.is_file() else None
        except UnicodeDecodeError as error:
            raise ApplicationError(
                f"{name} is not UTF-8, which Elixir requires: {error.reason}. Nothing was changed"
            ) from None

    return read


def require_inside(checkout: Path, path: Path) -> None:
    """Refuse a path that a link of the checkout leads elsewhere, such as to a file in a home: it would be shown or written.

    + checkout: its directory
    + path: below it; the file may be missing

    Raises ApplicationError.
    """
    try:
        inside = path.resolve().is_relative_to(checkout.resolve())
    except (OSError, RuntimeError):
        # A circle of links; Python 3.13 makes it an OSError.
        inside = False
    if not inside:
        raise ApplicationError(
            f"{path.relative_to(checkout)} is a link, or below one, that leads out of {checkout}: put the file itself "
            "there. Nothing was changed"
        )


def with_line_ends_of(path: Path, text: str) -> str:
    """The text with the line ends of a file.

    + path: of the file; a missing file has line feeds
    + text: with line feeds

    Raises ApplicationError when the file mixes both kinds.
    """
    there = path.read_bytes() if path.is_file() else b""
    windows = there.count(b"\r\n")
    if windows not in (0, there.count(b"\n")):
        raise ApplicationError(f"{path} has line ends of both kinds: settle on one. Nothing was changed")
    return text.replace("\n", "\r\n") if windows else text
