"""A command on a terminal of its own: keys reach it as from a real terminal."""

import contextlib
import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.host.project import Run

CTRL_C = "\x03"
CTRL_D = "\x04"

# Seconds until the expected text, or the end of the command, must be there.
PATIENCE = 60


@dataclass
class Terminal:
    """The command and what it has shown so far."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: bytearray = field(default_factory=bytearray)

    def wait_for(self, text: str) -> None:
        """Return once the command has shown this text."""
        deadline = time.monotonic() + PATIENCE
        while text.encode() not in self.shown:
            if not self._read(deadline):
                raise AssertionError(f"never shown: {text!r}, but {self.shown.decode(errors='replace')}")

    def wait_until_asked(self, question: str) -> None:
        """Return once the command has shown a question and waits for the answer, as a person's finger does.

        bash keeps a signal that reaches it between the two until there is an answer.
        """
        self.wait_for(question)
        deadline = time.monotonic() + PATIENCE
        while _runs(self.process.pid):
            assert time.monotonic() < deadline, f"something is still at work after {question!r}"
            time.sleep(0.05)

    def type(self, keys: str) -> None:
        """Type keys; Ctrl-C interrupts the foreground process group, which is make and all that it runs."""
        os.write(self.descriptor, keys.encode())

    def finish(self) -> Run:
        """The end of the command; an exit code below 0 is the number of the signal that ended it."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return Run(self.process.wait(max(1, deadline - time.monotonic())), self.shown.decode(errors="replace"))

    def _read(self, deadline: float) -> bool:
        """Whether there was more to read; False at the end of the output or of the patience."""
        if not select.select([self.descriptor], [], [], max(0, deadline - time.monotonic()))[0]:
            return False
        # Linux answers with an error once nobody has the other end open.
        with contextlib.suppress(OSError):
            if data := os.read(self.descriptor, 65536):
                self.shown += data
                return True
        return False


def _runs(session: int) -> bool:
    """Whether a process of a session is not asleep."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        # The process may end meanwhile.
        with contextlib.suppress(OSError):
            # proc(5): after the name in parentheses, state, parent, process group and session.
            state, _, _, own = stat.read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "S":
                return True
    return False


@contextlib.contextmanager
def terminal(command: Sequence[str], path: Path, **variables: str) -> Iterator[Terminal]:
    """Start a command on a terminal; whatever is left of it at the end of the block is killed.

    + command: the command
    + path: where it runs
    + variables: added to the environment
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=path,
        env=os.environ | {"TERM": "xterm"} | variables,
        preexec_fn=lambda: os.login_tty(theirs),  # a session of its own, with this as its controlling terminal
        pass_fds=[theirs],
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        # The terminal hangs up: its session gets SIGHUP.
        os.close(ours)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
