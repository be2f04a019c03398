"""Text from a host or an application: what a terminal would obey is replaced. Knows neither gevent nor paramiko."""

import codecs
import re
from typing import Any, TextIO

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


def copy(source: Any, shown_to: TextIO, longest: int | None = LONGEST) -> None:
    """Show what a host sends as it comes, in harmless lines.

    + source: output of a command
    + shown_to: where it is shown
    + longest: characters to keep of a line; None for all
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    length, rest = 0, ""
    while chunk := source.read1(65536):
        text = rest + decoder.decode(chunk)
        # A line feed may follow.
        rest = "\r" if text.endswith("\r") else ""
        length = _write(text.removesuffix("\r"), shown_to, length, longest)
    _write(rest + decoder.decode(b"", final=True), shown_to, length, longest)


def _write(text: str, shown_to: TextIO, length: int, longest: int | None) -> int:
    """Write some text behind so many characters of a line. Returns the characters of its last line."""
    for line in harmless(text).replace("\r\n", "\n").splitlines(keepends=True):
        content = line.removesuffix("\n")
        if longest is None:
            shown_to.write(content)
        elif length < longest:
            shown_to.write(content[: longest - length] + CUT * (length + len(content) > longest))
        length += len(content)
        if line.endswith("\n"):
            shown_to.write("\n")
            length = 0
    shown_to.flush()
    return length
