"""Bringing a release into service, or going back: a program on the host that finishes, or goes back, on its own.

It runs as a transient unit of systemd, which holds the machine's lock (operations/host/lock.py). The controller follows its
journal, and may go away: nothing depends on it.
"""

from collections.abc import Generator, Sequence
from io import StringIO
from typing import Any

import pyinfra
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import File, Link
from pyinfra.operations import files

from group_data.schema.environment import Environment
from group_data.schema.release_tool import RUNNING_VERSION
from operations import machine
from operations.host import lock, transient
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import artifacts

# $1: unit, $2: program, $3: who asks, $4: revision, the rest: its arguments. Started under the lock's guard, so that nobody
# finds the lock free between the end of this connection and the start of the unit. Finished is what says so: a unit that was
# stopped counts as successful.
START_AND_FOLLOW = f"""\
set -eu
{lock.STILL_HELD}
unit=$1 program=$2 who=$3 revision=$4 begin=$(date +%s.%6N)
shift 4
systemctl reset-failed "$unit" 2>/dev/null || true
systemd-run --quiet --unit="$unit" --service-type=exec --property="ExecStopPost=$program end" \\
    --property=TimeoutStopSec=infinity --setenv=WHO="$who" --setenv=REVISION="$revision" -- "$program" "$@" 9>&-
exec 9>&-
{transient.FOLLOW}
follow "$unit" "${{program##*/}}" "$begin"
tail -n 1 "$seen" | grep -q ': done$'
"""


def program(environment: Environment) -> None:
    """What a release needs on the host: directories that root alone enters, and the program that switches."""
    artifacts.store(environment)
    files.put(
        name="Release: program that switches",
        src=StringIO(render("switch.j2", environment=environment, running_version=RUNNING_VERSION)),
        dest=environment.switch_path,
        user="root",
        group="root",
        mode="700",
    )


def prepare(environment: Environment, what: str) -> None:
    """This run holds the machine's lock, and everything is in place for a switch.

    + environment: whose release is to be switched
    + what: what for, as others will read it, e.g. "release of stage"

    Raises DeployError where the environment itself has not been prepared.
    """
    if not pyinfra.host.get_fact(File, path=environment.unit_path):
        raise DeployError(
            f"{environment.environment} is not prepared: there is no {environment.unit_path}. First "
            f"`make apply ENV={environment.environment}`. Nothing was changed"
        )
    if pyinfra.host.get_fact(Link, path=environment.app_path) is False:
        raise DeployError(
            f"{environment.app_path} is no link to a release but the release itself, as edeliver leaves it: "
            "docs/from-edeliver.md tells how to take it over. Nothing was changed"
        )
    lock.acquire(name="Machine: lock", what=what)
    machine.programs()
    program(environment)


@operation(is_idempotent=False)
def run(
    environment: Environment,
    action: Sequence[str],
    summary: str,
    revision: str = "-",
    needed: bool = True,
    before: str | None = None,
) -> Generator[Any]:
    """The program has done what it was asked for, its words on the screen; or it has gone back, and this fails.

    + environment: whose release
    + action: the program's arguments, e.g. ["release", "0.2.0"]
    + summary: what a plan says of it, without a full stop
    + revision: git's, for the log
    + before: the version that must run, "-" for none; None if that does not matter
    + needed: False if nothing is to be done, which `summary` then says
    """
    if not needed:
        pyinfra.host.noop(summary)
        return
    announce(summary)
    arguments = [environment.switch_unit, environment.switch_path, lock.operator(), revision, *action]
    yield FunctionCommand(_start_and_follow, [arguments], {})


def _start_and_follow(state: State, host: Host, arguments: Sequence[str]) -> bool:
    quoted = [QuoteString(argument) for argument in arguments]
    succeeded, _ = host.run_shell_command(
        StringCommand("sh -c", QuoteString(START_AND_FOLLOW), "sh", *quoted), print_output=True, _sudo=True
    )
    return succeeded
