"""One lock per machine: of two runs that change it, one goes on and the other says who is at work.

A file in /run names the SSH connection of the run that holds it. The connection's own sshd process is the proof that the
run is still there: a controller that is killed, or a connection that breaks, frees the lock without anybody's help, and a
reboot does. A release that is being switched holds it too, whatever became of the connection.
"""

import getpass
import re
import socket
from collections.abc import Generator, Sequence

from pyinfra import host, logger, state
from pyinfra.api import FactBase, FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from typing_extensions import override

from operations.host import program

LOCK = "/run/deploy.lock"


class Holder(FactBase[str | None]):
    """Who holds the machine's lock, since when and what for; None when it is free."""

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


def breaking(units: Sequence[str]) -> StringCommand:
    """The command, for root, after which the lock is free and what was being switched has gone back.

    + units: those that switch releases
    """
    return StringCommand(
        "rm -f", LOCK, "&& systemctl stop", *[QuoteString(unit) for unit in units], "2>/dev/null || true"
    )


def operator() -> str:
    """Who runs this, for the lock and the log of revisions: `user@computer`."""
    return re.sub(r"[^A-Za-z0-9@._-]", "-", f"{getpass.getuser()}@{socket.gethostname()}")


def require_free() -> None:
    """Refuse a plan that would be made from what another run is about to change.

    Raises DeployError.
    """
    if holder := host.get_fact(Holder):
        raise DeployError(f"{_locked(holder)}. Nothing was changed")


@operation()
def acquire(what: str) -> Generator[FunctionCommand]:
    """This run alone changes the machine, until its connection ends; fails naming who does so already.

    Nothing on the host is changed by that, so no plan lists it.

    + what: what for, as others will read it, e.g. "apply"
    """
    host.noop("the machine is this run's")
    if state.is_executing:
        taken, output = host.run_shell_command(program.command("take_lock.sh", operator(), what), _sudo=True)
        if not taken:
            # Raised, this would be shown with a traceback: an operation is not expected to raise once it is executed.
            yield FunctionCommand(_refuse, [output.stdout.strip() or output.stderr.strip()], {})


def _refuse(state: State, host: Host, holder: str) -> bool:
    host.log_styled(f"{_locked(holder)}. Nothing was changed.", fg="red", log_func=logger.error)
    return False


def _locked(holder: str) -> str:
    return f"the machine is locked by {holder}. Wait for that to end, or break the lock with make unlock"
