"""Marks around a command's words, so that a .bashrc that prints does not become part of every answer.

sshd starts commands in the user's login shell, and Debian's bash then reads .bashrc. Its words come before the command's.
Knows neither gevent nor paramiko.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from connectors.terminal import harmless

# The line after which the words are the command's.
MARK = "deploy: the answer begins"

# Bytes that a login shell may print before a session for files.
_NOISE = 65536

# Bytes of a command's output, what each line costs in memory, and bytes of one line. More is no answer to anything that is
# asked here, and would fill this computer's memory.
LIMIT = 64 * 1024 * 1024
LINE_COST = 128
_LONGEST_LINE = 8 * 1024 * 1024

_PIECE = 65536

# As a line of a shell script.
ANNOUNCE = f"echo '{MARK}'"

# In place of sudo, for root on a machine without sudo.
SUDO = "".join(
    line.lstrip()
    for line in Path(__file__).with_name("sudo.sh").read_text().splitlines(keepends=True)
    if not line.lstrip().startswith("#")
)


def announced(command: str, *, together: bool = False) -> str:
    """A command line that writes the mark to both outputs first. Every login shell understands it.

    + command: line for a login shell
    + together: whether both outputs come as one
    """
    return f'sh -c "{ANNOUNCE}"; {command}' if together else f'sh -c "{ANNOUNCE}; {ANNOUNCE} >&2"; {command}'


def after_mark(stream: bytes) -> tuple[bytes, bool]:
    """What follows the mark in a stream, and whether something came before it. Without a mark, nothing follows.

    + stream: output of a script that announces itself
    """
    noise, _, words = stream.partition(f"{MARK}\n".encode())
    return words, bool(noise)


def skip_noise(read: Callable[[], bytes]) -> bool:
    """Read up to the mark. Returns whether it came, within as many bytes as a login shell may print.

    + read: returns the next byte, or nothing at the end. What follows the mark is left to another protocol
    """
    mark, seen = f"{MARK}\n".encode(), bytearray()
    while not seen.endswith(mark):
        byte = read()
        if not byte or len(seen) == _NOISE:
            return False
        seen += byte
    return True


class Behind:
    """What follows the mark in an output; all of it if the mark does not come, because the login shell then says why.

    + source: output of a program
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self._begun = False
        # Whether the mark came. Without it the login shell ran something else than the command.
        self.marked = False

    def read1(self, size: int) -> bytes:
        """The next bytes, and none at the end.

        + size: number of bytes at most
        """
        seen, mark = b"", f"{MARK}\n".encode()
        while not self._begun and (piece := self._source.read1(size)):
            seen += piece
            self._begun = mark in seen or len(seen) > _NOISE
        self.marked = self.marked or mark in seen
        self._begun = True
        answer: bytes = seen.partition(mark)[2] if mark in seen else seen
        return answer or self._source.read1(size)


def is_too_much(size: int, lines: int) -> bool:
    """Whether an output is no answer, because it would fill this computer's memory.

    + size: in bytes
    + lines: their number
    """
    return size + LINE_COST * lines > LIMIT


class Framed:
    """An output of a command without what comes before the mark, and without what a terminal would obey.

    An output that is too much ends with a line that says so, and so does the command.

    + output: file of lines
    + receive: returns the next bytes of it, as many as asked for at most, and none at the end
    + marked: whether the output begins with the mark
    + found: is told whether something came before the mark
    + mute: is told what came where the mark never did: the login shell runs no command
    + end: ends the command
    """

    def __init__(
        self,
        output: Any,
        receive: Callable[[int], bytes],
        *,
        marked: bool = True,
        found: Callable[[bool], None] = lambda _: None,
        mute: Callable[[str], None] = lambda _: None,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._output = output
        self._receive = receive
        self._found = found
        self._mute = mute
        self._end = end
        # Whether something came before the mark; None as long as the mark was not read.
        self.noisy: bool | None = None if marked else False

    def __iter__(self) -> Iterator[str]:
        noise, size = "", 0
        for number, line in enumerate(self._lines()):
            size += len(line)
            if is_too_much(size, number) or len(line) > _LONGEST_LINE:
                self._end()
                yield f"The host sent more than {LIMIT // 2**20} MiB, or a line without an end: that is no answer"
                return
            text = line.decode(errors="replace")
            if self.noisy is not None:
                yield harmless(text)
            elif text.rstrip().endswith(MARK):
                # Words without a new line at their end stand before the mark.
                self.noisy = bool(noise) or text.strip() != MARK
                self._found(self.noisy)
            else:
                noise = text.strip() or noise or "\n"
        if self.noisy is None:
            self._mute(harmless(noise.strip()))

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        while (piece := self._receive(_PIECE)) and len(rest) <= _LONGEST_LINE:
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in lines)
        if rest:
            yield rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)
