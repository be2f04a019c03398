"""Runs operations/programs/switch.sh against stub commands, as systemd would."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.unit.operations.programs.host_directory import HostDirectory


class Run(NamedTuple):
    """What the program said, and what "end" said after it.

    + status: exit status of the program; negative: the signal that ended it
    + lines: of both, in order
    """

    status: int
    lines: list[str]

    @property
    def last(self) -> str:
        """The last line, by which the caller on the host knows the outcome."""
        return self.lines[-1] if self.lines else ""

    @property
    def output(self) -> str:
        """All of it."""
        return "\n".join(self.lines)


class World(HostDirectory):
    """A host, and the program on it."""

    def run(self, *arguments: str, **variables: str) -> Run:
        """The program as systemd runs it, and its end.

        + variables: BEFORE and others of the program's environment
        """
        done = self.start(*arguments, **variables)
        ended = self.end("exit-code" if done.status else "success", str(done.status))
        return Run(done.status, done.lines + ended.lines)

    def start(self, *arguments: str, **variables: str) -> Run:
        """The program alone, without its end."""
        done = self._call(arguments, variables)
        return Run(done.returncode, done.stdout.splitlines())

    def end(self, result: str = "", status: str = "") -> Run:
        """The end alone.

        + result: SERVICE_RESULT
        + status: EXIT_STATUS
        """
        done = self._call(["end"], {"SERVICE_RESULT": result, "EXIT_STATUS": status} if result else {})
        return Run(done.returncode, done.stdout.splitlines())

    def interrupt(self, blocked: str, how: signal.Signals, *arguments: str, call: str = "*") -> list[str]:
        """Ends the program and its children while a command does not return, as systemd does; returns its lines.

        + blocked: the command
        + how: the signal
        + call: a pattern of the shell for the arguments of the call; default: the first one
        """
        at = self.path / "blocked"
        at.unlink(missing_ok=True)
        self.hook(blocked, f'case "$*" in {call}) echo "$$" > "$WORLD/blocked"; exec /usr/bin/sleep 60 ;; esac')
        with subprocess.Popen(
            [*self.wrapper, self.program, *arguments], env=self._variables({}), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True,
        ) as process:  # fmt: skip
            deadline = time.monotonic() + 30
            while not (reached := _read(at)) and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, how if reached else signal.SIGKILL)
                # timeout(1) makes a group of its own.
                os.kill(int(reached or process.pid), how)
            lines = process.communicate()[0].splitlines()
        assert reached, f"{blocked} was not called: {lines}"
        assert process.returncode == -how
        self.unhook(blocked)
        return lines

    def _call(self, arguments: Sequence[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.wrapper, self.program, *arguments], env=self._variables(variables), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
        )  # fmt: skip

    def _variables(self, variables: dict[str, str]) -> dict[str, str]:
        path = f"{self.path}/bin:/usr/bin:/bin"
        stubs = {"PATH": path, "WORLD": str(self.path), "LINK": str(self.link)}
        return stubs | {"WHO": "alice@desk", "REVISION": "abc1234"} | variables


def _read(file: Path) -> str:
    return file.read_text().strip() if file.exists() else ""
