"""The switch to a release or back: a program on the host that finishes, or goes back, on its own.

It runs as a transient unit of systemd, which holds the machine's lock (operations/host/lock.py). The controller follows its
journal. The switch does not depend on the controller: it may go away.
"""

from collections.abc import Generator, Sequence
from typing import Any

import pyinfra
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import File, Link

from group_data.schema.environment import Environment
from operations import machine, unit
from operations.host import file, lock, program
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import artifacts, expressions


def conf(environment: Environment) -> str:
    """The settings of the switch program for an environment.

    + environment: environment of the releases
    """
    return render(
        "switch.conf.j2",
        environment=environment,
        running_version=expressions.RUNNING_VERSION,
        migrate=expressions.migrate(environment),
        migrate_down=expressions.migrate_down(environment),
        migrations=expressions.migrations(environment),
        readable=program.text("readable.pl"),
    )


def install(environment: Environment) -> None:
    """Install the switch program, its settings for the environment, and its directories, which only root can enter.

    + environment: environment of the releases
    """
    artifacts.store(environment)
    # The settings come first: a new program may need a name that old settings do not have, but never the other way round.
    file.put(
        name="Release: settings of the switch",
        content=conf(environment),
        dest=environment.switch_conf_path,
        mode="600",
    )
    file.put(
        name="Release: program that switches",
        content=program.text("switch.sh"),
        dest=environment.switch_path,
        mode="700",
    )


def at_boot(environment: Environment) -> None:
    """At boot systemd ends an action that a power cut cut off.

    + environment: environment of the releases
    """
    content = render("boot-switch.service.j2", environment=environment)
    file.put(name="Release: unit that ends a cut off one at boot", content=content, dest=environment.boot_unit_path)
    unit.enable(name="Release: that unit starts at boot", unit=environment.boot_unit)


def prepare(environment: Environment, what: str) -> None:
    """Take the machine's lock and prepare a switch.

    + environment: environment of the release
    + what: purpose of the run, shown to others, e.g. "release of stage"

    Raises DeployError if the environment is not prepared.
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
    """Run the switch program and show its output. Fails if the program has gone back.

    + environment: environment of the release
    + action: arguments of the program, e.g. ["release", "0.2.0"]
    + summary: line of the plan, without a full stop
    + revision: git revision, for the log
    + needed: False if there is nothing to do; `summary` then says why
    + before: version that ran when the plan was made, "-" for none; the program refuses if another one runs. None: any
    """
    if not needed:
        pyinfra.host.noop(summary)
        return
    announce(summary)
    started = [
        environment.switch_unit, environment.task_unit, environment.switch_path, lock.operator(), revision, before or "",
        environment.revisions_path, *action,
    ]  # fmt: skip
    yield FunctionCommand(_start_and_follow, [started], {})


def _start_and_follow(state: State, host: Host, arguments: Sequence[str]) -> bool:
    succeeded, _ = host.run_shell_command(program.command("start_switch.sh", *arguments), print_output=True, _sudo=True)
    return succeeded
