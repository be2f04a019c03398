"""The one machine that belongs to this checkout: `make sandbox-up`, `sandbox-ssh`, `sandbox-down`."""

import os
import select
import shlex
import shutil
import signal
from pathlib import Path

from tests.sandbox import machine, slots
from tests.sandbox.requirements import SandboxError
from tests.sandbox.slots import Record, Slot

NAME = "sandbox"
DEFAULT_RELEASE = "trixie"
DIRECTORY = Path(__file__).parents[2] / ".sandbox"


def up(release: str | None) -> None:
    """Boot the machine and print how to reach it. It outlives this process. A running machine stays as it is.

    + release: trixie or bookworm; None for the running machine's, or else trixie
    """
    found = slots.find(DIRECTORY)
    if found:
        slot, record = found
        if release and record.release != release:
            raise SandboxError(f"the sandbox is up with {record.release}: `make sandbox-down` first, to have {release}")
        print(f"the sandbox is up already: Debian {record.release} at {slot.address}")
        return
    release = release or DEFAULT_RELEASE
    keeper, started = machine.start(NAME, release, DIRECTORY)
    try:
        started.wait()
        machine.detach(keeper)
    except BaseException:
        machine.stop(keeper)
        raise
    login = shlex.join(["ssh", "-F", str(started.ssh_config), NAME])
    print(f"the sandbox is up: Debian {release} at {started.address}; {login}")


def down() -> None:
    """Remove the machine and the directory .sandbox, if they exist."""
    found = slots.find(DIRECTORY)
    if found:
        _end(*found)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    print("the sandbox is down" if found else "the sandbox was not up")


def ssh(command: list[str]) -> None:
    """Become ssh: a login as devops or, given a command for a shell, that command as root. Never returns."""
    config = DIRECTORY / "ssh_config"
    if not config.exists():
        raise SandboxError("the sandbox is not up: `make sandbox-up`")
    remote = [f"sudo sh -c {shlex.quote(' '.join(command))}"] if command else []
    os.execvp("ssh", ["ssh", "-F", str(config), NAME, *remote])  # noqa: S606


def _end(slot: Slot, record: Record) -> None:
    """Ask the keeper to take the machine down and wait until it is gone."""
    keeper = os.pidfd_open(record.keeper)
    try:
        # From now on no other process can get this id. If one had got it before, the lock would be free.
        if slots.is_alive(slot):
            signal.pidfd_send_signal(keeper, signal.SIGTERM)
            select.select([keeper], [], [])
    finally:
        os.close(keeper)
