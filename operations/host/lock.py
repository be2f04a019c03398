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

LOCK = "/run/deploy.lock"

# Sets `holder` to who holds the lock, since when and what for, or to nothing. Sourced under `flock`, with the lock on
# descriptor 9. Field 22 of /proc/PID/stat is when a process started (proc(5)): a process id alone may be another's by now.
HOLDER = f"""\
exec 9>>{LOCK}
flock 9
session= started= since= who= what= holder=
IFS='|' read -r session started since who what < {LOCK} || true
switching=$(systemctl list-units --plain --no-legend --state=active,activating,deactivating,reloading \\
    --type=service '*-switch.service')
if [ -n "$started" ] && [ "$(cut -d ' ' -f 22 "/proc/$session/stat" 2>/dev/null)" = "$started" ]; then
    holder="$who since $since ($what)"
elif [ -n "$switching" ]; then
    holder="${{switching%% *}}, which $who began at $since ($what) and which ends on its own"
fi
"""

# Sets `own` to the sshd process of this connection: the first one above this shell. In words of the shell alone, because
# every run waits for it.
OWN = """\
own=$$
until read -r comm < "/proc/$own/comm" && [ "${comm#sshd}" != "$comm" ]; do
    parent=0
    while read -r field value; do
        [ "$field" != PPid: ] || parent=$value
    done < "/proc/$own/status"
    own=$parent
    [ "$own" -gt 1 ] || { echo "this command did not come over SSH, so nothing could hold the lock" >&2; exit 1; }
done
"""

# For what must not happen twice at once: the connection may have broken by now, and another run have begun.
STILL_HELD = f"""\
{OWN}
{HOLDER}
[ "$session" = "$own" ] || {{ echo "the lock was broken, and is no longer this run's: nothing was changed" >&2; exit 1; }}
"""

# $1: who, $2: what for. Taken again by the run that has it already.
TAKE = f"""\
set -eu
umask 077
{OWN}
{HOLDER}
[ -z "$holder" ] || [ "$session" = "$own" ] || {{ echo "$holder"; exit 1; }}
# Fails if the connection has broken meanwhile.
started=$(cut -d ' ' -f 22 "/proc/$own/stat")
echo "$own|$started|$(date -u '+%Y-%m-%d %H:%M:%S UTC')|$1|$2" > {LOCK}
"""


class Holder(FactBase[str | None]):
    """Who holds the machine's lock, since when and what for; None when it is free."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def command(self) -> StringCommand:
        return StringCommand("sh -c", QuoteString(f'set -eu; umask 077; {HOLDER}echo "$holder"'))

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
        taken, output = host.run_shell_command(
            StringCommand("sh -c", QuoteString(TAKE), "sh", QuoteString(operator()), QuoteString(what)), _sudo=True
        )
        if not taken:
            # Raised, this would be shown with a traceback: an operation is not expected to raise once it is executed.
            yield FunctionCommand(_refuse, [output.stdout.strip() or output.stderr.strip()], {})


def _refuse(state: State, host: Host, holder: str) -> bool:
    host.log_styled(f"{_locked(holder)}. Nothing was changed.", fg="red", log_func=logger.error)
    return False


def _locked(holder: str) -> str:
    return f"the machine is locked by {holder}. Wait for that to end, or break the lock with make unlock"
