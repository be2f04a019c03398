"""Text from a host or an application: what a terminal would obey is replaced. Knows neither gevent nor paramiko."""

import codecs
import re
from typing import BinaryIO, TextIO

# The mark in place of a character, and at the end of a line that was cut.
REPLACED, CUT = "?", "…"

# Characters of a line that is shown. A BEAM's crash may have a line of megabytes.
LONGEST = 4096

# Everything that moves the cursor, starts an escape sequence, or changes the direction or order of text: control characters,
# except the tab and line feed, and of Unicode line separators, marks of direction and invisible letters. A carriage return
# stays where a line feed follows.
_OBEYED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]|\r(?!\n)"
)


def harmless(text: str) -> str:
    """The text with a question mark for every character that a terminal might obey. Its length stays the same.

    + text: from a host
    """
    return _OBEYED.sub(REPLACED, text)


def shown(text: str, longest: int = LONGEST) -> str:
    """A text as one harmless line of bounded length.

    + text: from a host
    + longest: characters to keep
    """
    line = harmless(text).replace("\r\n", "\n").replace("\n", REPLACED)
    return line if len(line) <= longest else f"{line[: longest - 1]}{CUT}"


def copy(source: BinaryIO, terminal: TextIO) -> None:
    """Show what a host sends as it comes, in harmless lines of bounded length.

    + source: output of a command
    + terminal: where it is shown
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    length = 0
    while chunk := source.read1(65536):  # type: ignore[attr-defined]
        for line in harmless(decoder.decode(chunk)).replace("\r\n", "\n").splitlines(keepends=True):
            if length < LONGEST:
                content = line.removesuffix("\n")
                terminal.write(content[: LONGEST - length] + CUT * (length + len(content) > LONGEST))
            length += len(line)
            if line.endswith("\n"):
                terminal.write("\n")
                length = 0
        terminal.flush()
