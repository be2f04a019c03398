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

# Characters of a command's output. More is no answer to anything that is asked here, and would fill this computer's memory.
LIMIT = 64 * 1024 * 1024

# As a line of a shell script.
ANNOUNCE = f"echo '{MARK}'"

# In place of sudo, for root on a machine without sudo.
SUDO = "".join(
    line.lstrip()
    for line in Path(__file__).with_name("sudo.sh").read_text().splitlines(keepends=True)
    if not line.lstrip().startswith("#")
)


def announced(command: str) -> str:
    """A command line that writes the mark to both outputs first. Every login shell understands it.

    + command: line for a login shell
    """
    return f'sh -c "{ANNOUNCE}; {ANNOUNCE} >&2"; {command}'


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


class TooMuchError(OSError):
    """A host that answers without an end."""


class Framed:
    """An output of a command without what comes before the mark, and without what a terminal would obey.

    Iteration raises TooMuchError when the output is longer than LIMIT.

    + output: file of lines
    + found: is told whether something came before the mark
    """

    def __init__(self, output: Any, found: Callable[[bool], None] = lambda _: None) -> None:
        self._output = output
        self._found = found
        # Whether something came before the mark; None as long as the mark was not read.
        self.noisy: bool | None = None

    def __iter__(self) -> Iterator[str]:
        noise, left = False, LIMIT
        # By size, because a line may have no end.
        while line := self._output.readline(left + 1):
            left -= len(line)
            if left < 0:
                self._output.close()
                raise TooMuchError(f"it sent more than {LIMIT // 2**20} MiB: that is no answer")
            if self.noisy is not None:
                yield harmless(line)
            elif line.rstrip().endswith(MARK):
                # Words without a new line at their end stand before the mark.
                self.noisy = noise or line.strip() != MARK
                self._found(self.noisy)
            else:
                noise = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)
