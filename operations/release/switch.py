"""Bringing a release into service, or going back: a program on the host that finishes, or goes back, on its own.

It runs as a transient unit of systemd, which holds the machine's lock (operations/host/lock.py). The controller follows its
journal, and may go away: nothing depends on it.
"""

from collections.abc import Generator, Sequence
from io import StringIO
from typing import Any

import pyinfra
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import File, Link
from pyinfra.operations import files

from group_data.schema.environment import Environment
from operations import machine
from operations.host import lock, program
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import artifacts, expressions


def conf(environment: Environment) -> str:
    """What the program that switches reads about an environment.

    + environment: whose releases it switches
    """
    return render(
        "switch.conf.j2",
        environment=environment,
        running_version=expressions.RUNNING_VERSION,
        migrate=expressions.migrate(environment),
        migrate_down=expressions.migrate_down(environment),
        migrations=expressions.migrations(environment),
    )


def install(environment: Environment) -> None:
    """The directories that root alone enters, and the program that switches, with a file that says for which environment.

    + environment: whose releases it switches
    """
    artifacts.store(environment)
    as_root: dict[str, Any] = {"user": "root", "group": "root"}
    # First: a new program may read a name that an old file does not have, and never the other way round.
    files.put(
        name="Release: settings of the switch",
        src=StringIO(conf(environment)),
        dest=environment.switch_conf_path,
        mode="600",
        **as_root,
    )
    files.put(
        name="Release: program that switches",
        src=StringIO(program.text("switch.sh")),
        dest=environment.switch_path,
        mode="700",
        **as_root,
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
    install(environment)


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
    + before: the version that ran when the plan was made, or "-": the program refuses if another one runs by then. None: any
    """
    if not needed:
        pyinfra.host.noop(summary)
        return
    announce(summary)
    started = [environment.switch_unit, environment.switch_path, lock.operator(), revision, before or "", *action]
    yield FunctionCommand(_start_and_follow, [started], {})


def _start_and_follow(state: State, host: Host, arguments: Sequence[str]) -> bool:
    succeeded, _ = host.run_shell_command(program.command("start_switch.sh", *arguments), print_output=True, _sudo=True)
    return succeeded
