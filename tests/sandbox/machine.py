"""The handle on a machine: boot one, run commands in it, connect to it, reboot it, keep its disk for others."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sandbox import disk, requirements
from tests.sandbox.image import image
from tests.sandbox.requirements import SandboxError
from tests.sandbox.slots import Record, Slot

_CHECKOUT = Path(__file__).parents[2]

# Seconds a machine may take to boot or to stop; it takes about three on two cores.
_PATIENCE = 90

# Becomes the user without PAM: a session is useless for a process outside the machine's control groups. The process dies
# with nsenter if a timeout kills that. $1 is the user, $2 the command.
_AS_USER = """\
exec setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups --reset-env --pdeathsig KILL \
    env LANG=C.UTF-8 /bin/sh -c "$2"
"""


@dataclass(frozen=True)
class Machine:
    """A running machine.

    + name: its host name and the Host in its ssh_config
    + release: trixie or bookworm
    + address: IPv4, reachable from this computer only
    + directory: holds ssh_config, id_ed25519 (of the user `devops`) and known_hosts
    + slot: slot of the machine
    """

    name: str
    release: str
    address: str
    directory: Path
    slot: Slot

    @property
    def pid(self) -> int:
        """Process id of its PID 1 as this computer sees it; another one after a reboot. SandboxError if it is stopped."""
        try:
            return int(self.slot.leader_file.read_text())
        except (FileNotFoundError, ValueError):
            raise SandboxError(f"the machine {self.name} is not running") from None

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`; Host is the machine's name."""
        return self.directory / "ssh_config"

    def run(
        self, command: str, user: str = "root", stdin: str | None = None, check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside, without ssh, in `/`, with the variables of a login.

        + user: any user of the machine; the user's shell and home do not matter
        + stdin: standard input; empty by default
        + check: raise subprocess.CalledProcessError, with the output in its notes, unless the command exits with 0
        + timeout: seconds until the shell, but not its children, is killed and subprocess.TimeoutExpired is raised
        """
        enter = ["nsenter", "--target", str(self.pid), "--all", "/bin/sh", "-c", _AS_USER, "run", user, command]
        return _run(enter, stdin, check, timeout)

    def ssh(
        self, command: str, stdin: str | None = None, check: bool = True, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as `devops` through ssh, which knows the host key; parameters as for `run`."""
        return _run(["ssh", "-F", str(self.ssh_config), self.name, command], stdin, check, timeout)

    def reboot(self) -> None:
        """Reboot in order, with the same disk and address. Returns when the machine is up again."""
        before = self.pid
        self._ask_systemd("reboot")
        _wait_for(lambda: self._leader() not in {None, before}, self.slot, "reboot")
        self.wait()

    def sync(self) -> None:
        """What the machine has written until now survives a cut. For a machine that was booted with `forgets`."""
        disk.forgetful(self.slot).sync()

    def cut(self) -> None:
        """Cut the power, and boot again without waiting. For a machine that was booted with `forgets`."""
        leader = self.pid
        self.slot.cut_file.touch()
        disk.forgetful(self.slot).cut()
        os.kill(leader, signal.SIGKILL)
        _wait_for(lambda: not self.slot.cut_file.exists(), self.slot, "boot")

    def snapshot(self) -> Path:
        """Stop the machine in order and return its changes as a layer for `boot(layers=…)`.

        The layer lives as long as the `boot` block of this machine. If that had layers itself, the new one goes on top.
        """
        self._ask_systemd("poweroff")
        _wait_for(self.slot.stopped_file.exists, self.slot, "stop")
        return disk.upper(self.slot)

    def wait(self) -> None:
        """Return when systemd has started everything, whether or not some unit failed, and ssh lets us in.

        Raises SandboxError with the end of the console's output if that takes too long or the machine stops.
        """
        _wait_for(self._is_up, self.slot, "boot")

    def _is_up(self) -> bool:
        if self.slot.stopped_file.exists():
            raise SandboxError(f"the machine stopped:\n{_console(self.slot)}")
        if self._leader() is None:
            return False
        state = self.run("systemctl is-system-running", check=False).stdout.strip()
        # The login comes last: Debian 13's sshd soon blocks clients that connect again and again without one.
        return state in {"running", "degraded"} and self.ssh("true", check=False).returncode == 0

    def _leader(self) -> int | None:
        with contextlib.suppress(SandboxError):
            return self.pid
        return None

    def _ask_systemd(self, verb: str) -> None:
        # The shutdown may end the command before it can report success.
        self.run(f"systemctl {verb}", check=False)


@contextlib.contextmanager
def boot(
    name: str = "sandbox",
    release: str = "trixie",
    *,
    directory: Path,
    layers: Sequence[Path] = (),
    forgets: bool = False,
) -> Iterator[Machine]:
    """A running machine. It ends with the block, or with this process.

    + name: host name
    + release: trixie or bookworm; the release of the layers
    + directory: gets ssh_config, id_ed25519 and known_hosts, one for each machine; at the end these files are removed, and
      the directory, unless it holds something else
    + layers: layers from `Machine.snapshot`, lowest first
    + forgets: whether `Machine.cut` loses what was not synced
    """
    keeper, machine = start(name, release, directory, layers, forgets=forgets)
    try:
        machine.wait()
        yield machine
    finally:
        stop(keeper)


def start(
    name: str, release: str, directory: Path, layers: Sequence[Path] = (), *, forgets: bool = False
) -> tuple[subprocess.Popen[str], Machine]:
    """Have a keeper make and boot a machine, without waiting until it is up. Parameters as for `boot`.

    The machine lives until `stop`, or, after `detach`, until its keeper gets SIGTERM.
    """
    requirements.check()
    tree = image(release)
    record = Record(name, release, str(tree), tuple(map(str, layers)), str(directory.resolve()), forgets=forgets)
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.keeper", record.dumps()],
        cwd=_CHECKOUT,
        env={**os.environ, "PATH": requirements.search_path()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Only the owner gets Ctrl-C from a terminal; the keeper then sees the end of its input.
        start_new_session=True,
    )
    try:
        slot = _answer(keeper)
    except BaseException:
        stop(keeper)
        raise
    return keeper, Machine(name, release, slot.address, Path(record.directory), slot)


def stop(keeper: subprocess.Popen[str]) -> None:
    """End the machine and remove everything of it."""
    for pipe in (keeper.stdin, keeper.stdout, keeper.stderr):
        if pipe:
            pipe.close()
    keeper.wait()


def detach(keeper: subprocess.Popen[str]) -> None:
    """Let the machine outlive this process."""
    if keeper.stdin:
        keeper.stdin.write("detach\n")
        keeper.stdin.flush()


def _answer(keeper: subprocess.Popen[str]) -> Slot:
    assert keeper.stdout
    assert keeper.stderr
    line = keeper.stdout.readline()
    answer: dict[str, Any] = json.loads(line) if line else {"error": keeper.stderr.read()}
    if "error" in answer:
        raise SandboxError(f"the sandbox machine could not be made: {answer['error']}")
    return Slot(answer["slot"])


def _run(command: list[str], stdin: str | None, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        command, input=stdin or "", capture_output=True, text=True, check=False, timeout=timeout, errors="replace"
    )
    if check and result.returncode != 0:
        error = subprocess.CalledProcessError(result.returncode, command, result.stdout, result.stderr)
        error.add_note(f"{result.stdout}{result.stderr}")
        raise error
    return result


def _wait_for(condition: Callable[[], bool], slot: Slot, what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SandboxError(f"the machine did not {what} within {_PATIENCE} seconds:\n{_console(slot)}")
        time.sleep(0.05)


def _console(slot: Slot) -> str:
    """The end of the console's output."""
    return slot.console_file.read_text(errors="replace")[-4000:] if slot.console_file.exists() else ""
