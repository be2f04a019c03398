"""Our blocks in the files of a checkout. Two markers enclose a block; every other line belongs to the team."""

import re
from collections.abc import Callable, Sequence

from pyinfra.api.exceptions import DeployError

from checkout.files import Read

# Text that may follow a block because it cannot override it: other blocks of ours, comments and empty lines.
_HARMLESS = re.compile(
    r"^[ \t]*# >>> deploy: .*?^[ \t]*# <<< deploy: [^\n]*$|^[ \t]*#[^\n]*$|\s", re.MULTILINE | re.DOTALL
)

_ANY = re.compile(r"^[ \t]*# >>> deploy: .*?^[ \t]*# <<< deploy: [^\n]*\n?", re.MULTILINE | re.DOTALL)


def without_blocks(read: Read) -> Read:
    """A reader for the team's own lines, with an empty line for each line of our blocks.

    + read: reads a file of the checkout
    """

    def theirs(file: str) -> str | None:
        text = read(file)
        # The team's lines keep their numbers.
        return None if text is None else _ANY.sub(lambda ours: ours[0].count("\n") * "\n", text)

    return theirs


def markers(name: str) -> tuple[str, str]:
    """The lines before and after a block. # begins a comment in every file that may hold a block.

    + name: of the block; a file holds it once
    """
    return f"# >>> deploy: {name}", f"# <<< deploy: {name}"


def block(name: str, lines: Sequence[str], indent: str = "") -> str:
    """The text of a block with its markers.

    + name: of the block
    + lines: of the block
    + indent: before each line
    """
    begin, end = markers(name)
    return "".join(f"{indent}{line}".rstrip() + "\n" for line in (begin, *lines, end))


class Texts:
    """Files of a checkout with our changes, which are kept in memory.

    + read: reads a file of the checkout
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._changed: dict[str, str] = {}

    def read(self, file: str) -> str | None:
        """A file with the changes so far; None if there is no file.

        + file: relative to the checkout
        """
        return self._changed.get(file, self._read(file))

    def without(self, file: str, name: str) -> str | None:
        """A file with the changes so far and without one of our blocks; None if there is no file.

        + file: relative to the checkout
        + name: of the block

        Raises DeployError when a marker is missing or is there twice.
        """
        text = self.read(file)
        return None if text is None else _cut(text, name, file)[0]

    def edit(self, file: str, change: Callable[[str], str], new: str = "") -> None:
        """Change a file.

        + file: relative to the checkout
        + change: returns the new text for the old one
        + new: the old text of a missing file
        """
        text = self.read(file)
        self._changed[file] = change(new if text is None else text)

    def block(self, file: str, name: str, lines: Sequence[str], new: str = "") -> None:
        """A file holds a block, at its old place or at the end if later lines could override it there.

        + file: relative to the checkout
        + name: of the block
        + lines: of the block; without lines the block is removed
        + new: the first line of a missing file

        Raises DeployError when a marker is missing or is there twice.
        """
        if lines or self.read(file) is not None:
            self.edit(file, lambda text: _with_block(text, name, lines, file), new)

    def changes(self) -> dict[str, str]:
        """The new text of each file that changed."""
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
