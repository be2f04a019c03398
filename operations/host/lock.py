"""One lock for each machine: one run changes it; a second one stops and names the first.

A file in /run names the SSH connection of the lock's holder. The run holds the lock as long as the connection's sshd process
lives: the lock becomes free when the controller is killed, the connection breaks or the machine reboots. The switch of a
release holds the lock, too, even after its connection has ended.
"""

import getpass
import re
import socket
from collections.abc import Generator, Sequence

from pyinfra import host, logger, state
from pyinfra.api import FactBase, FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from typing_extensions import override

from operations.host import program

# As in operations/programs/lock.sh.
LOCK_FILE = "/run/deploy.lock"


class Holder(FactBase[str | None]):
    """The holder of the machine's lock, since when and for which purpose; None when the lock is free."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def command(self) -> StringCommand:
        return program.command("show_lock.sh")

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0] or None


def breaking(holder: str, units: Sequence[str]) -> StringCommand:
    """A command for root: it frees the lock, and a release that is being switched goes back. Fails for another holder.

    + holder: as the fact `Holder` told
    + units: the units that switch releases
    """
    return program.command("break_lock.sh", holder, *units)


def operator() -> str:
    """The operator as `user@computer`, for the lock and the log of revisions."""
    return re.sub(r"[^A-Za-z0-9@._-]", "-", f"{getpass.getuser()}@{socket.gethostname()}")


def require_free() -> None:
    """Refuse to plan while another run changes the machine.

    Raises DeployError.
    """
    if holder := host.get_fact(Holder):
        raise DeployError(f"{_locked(holder, host.name)}. Nothing was changed")


@operation()
def acquire(what: str) -> Generator[FunctionCommand]:
    """Take the machine's lock until the connection ends. Fails and names the holder if another run has it.

    No plan lists this step, because it changes nothing on the host.

    + what: purpose of the run, shown to others, e.g. "apply"
    """
    host.noop("the machine is this run's")
    if state.is_executing:
        taken, output = host.run_shell_command(program.command("take_lock.sh", operator(), what), _sudo=True)
        if not taken:
            # pyinfra would show an exception with a traceback: operations do not raise in execution.
            yield FunctionCommand(_refuse, [output.stdout.strip(), output.stderr.strip()], {})


def _refuse(state: State, host: Host, holder: str, error: str) -> bool:
    # Without a holder the lock's file could not be written, such as on a full /run.
    reason = _locked(holder, host.name) if holder else f"the lock {LOCK_FILE} could not be taken: {error}"
    host.log_styled(f"{reason}. Nothing was changed.", fg="red", log_func=logger.error)
    return False


def _locked(holder: str, name: str) -> str:
    return f"the machine is locked by {holder}. Wait for that to end, or break the lock with make unlock ENV={name}"
