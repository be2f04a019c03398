"""Marked blocks of ours in the files of an application's checkout; every other line is the team's."""

import re
from collections.abc import Callable, Sequence

from pyinfra.api.exceptions import DeployError

from checkout.sources import Read

# What may follow a block without overruling it: other blocks of ours, comments and empty lines.
_HARMLESS = re.compile(
    r"^[ \t]*# >>> deploy: .*?^[ \t]*# <<< deploy: [^\n]*$|^[ \t]*#[^\n]*$|\s", re.MULTILINE | re.DOTALL
)

_ANY = re.compile(r"^[ \t]*# >>> deploy: .*?^[ \t]*# <<< deploy: [^\n]*\n?", re.MULTILINE | re.DOTALL)


def without_blocks(read: Read) -> Read:
    """The files as the team wrote them.

    + read: the files with our blocks
    """

    def theirs(file: str) -> str | None:
        text = read(file)
        # Lines keep their numbers.
        return None if text is None else _ANY.sub(lambda ours: ours[0].count("\n") * "\n", text)

    return theirs


def markers(name: str) -> tuple[str, str]:
    """The lines around a block. All the files it may stand in take # for a comment.

    + name: of the block, of which a file holds one
    """
    return f"# >>> deploy: {name}", f"# <<< deploy: {name}"


def block(name: str, lines: Sequence[str], indent: str = "") -> str:
    """The text of a block.

    + name: of it
    + lines: of it
    + indent: before each line
    """
    begin, end = markers(name)
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in (begin, *lines, end))


class Texts:
    """Files of a checkout, as they are and as they are to be.

    + read: the files as they are
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._changed: dict[str, str] = {}

    def read(self, file: str) -> str | None:
        """A file as it is to be, as far as that is settled; None where there is none.

        + file: relative to the checkout
        """
        return self._changed.get(file, self._read(file))

    def without(self, file: str, name: str) -> str | None:
        """The same without a block of ours.

        + file: relative to the checkout
        + name: of the block

        Raises DeployError when one of its markers is missing.
        """
        text = self.read(file)
        return None if text is None else _cut(text, name, file)[0]

    def edit(self, file: str, change: Callable[[str], str], new: str = "") -> None:
        """A file changes.

        + file: relative to the checkout
        + change: makes the new text of the old one
        + new: the old text of a file that is not there
        """
        text = self.read(file)
        self._changed[file] = change(new if text is None else text)

    def block(self, file: str, name: str, lines: Sequence[str], new: str = "") -> None:
        """A file holds a block where it was, or at the end if what follows could overrule it; without lines it holds none.

        + file: relative to the checkout
        + name: of the block
        + lines: of it
        + new: what a file begins with that is not there yet

        Raises DeployError when one of its markers is missing.
        """
        if lines or self.read(file) is not None:
            self.edit(file, lambda text: _with_block(text, name, lines, file), new)

    def changes(self) -> dict[str, str]:
        """What differs from what is there, by file."""
        return {file: text for file, text in self._changed.items() if text != self._read(file)}


def _cut(text: str, name: str, file: str) -> tuple[str, int | None]:
    begin, end = markers(name)
    found = re.search(rf"^[ \t]*{re.escape(begin)}$.*?^[ \t]*{re.escape(end)}$\n?", text, re.MULTILINE | re.DOTALL)
    rest = text[: found.start()] + text[found.end() :] if found else text
    if re.search(rf"^[ \t]*({re.escape(begin)}|{re.escape(end)})$", rest, re.MULTILINE):
        raise DeployError(
            f"{file} has '{begin}' or '{end}' without the other, or twice: put the lines back, or remove what is left of "
            "the block. Nothing was changed"
        )
    return rest, found.start() if found else None


def _with_block(text: str, name: str, lines: Sequence[str], file: str) -> str:
    rest, place = _cut(text, name, file)
    if not lines:
        return rest
    if place is not None and not _HARMLESS.sub("", rest[place:]):
        return rest[:place] + block(name, lines) + rest[place:]
    rest = rest.rstrip("\n")
    return f"{rest}\n\n{block(name, lines)}" if rest else block(name, lines)
