"""The systemd unit of one environment, its group, its directories, and the right to restart it."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Link
from pyinfra.operations import server, systemd
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import file, home, restart
from operations.host.rendering import render
from operations.host.unit_state import is_enabled, properties


def group(environment: Environment) -> None:
    """Create the group that may read the secret file. The group has no members; only the unit runs with it."""
    server.group(name="Group of the secret file", group=environment.group, system=True)


def directories(environment: Environment) -> None:
    """Create the environment's root, and the private directory, the HOME of the running release.

    The application user creates them: root would follow a link that this user made.
    """
    user = environment.user
    home.directory(name="Root directory", path=environment.root, user=user, mode="750", _sudo_user=user)
    home.directory(name="Private directory", path=environment.private_path, user=user, mode="700", _sudo_user=user)


def text(environment: Environment) -> str:
    """The unit's file as the data says."""
    return render("unit.service.j2", environment=environment)


def variables(environment: Environment) -> str:
    """The file with the unit's variables as the data says."""
    return render("variables.j2", environment=environment)


def service(environment: Environment) -> list[OperationMeta]:
    """Write the unit as the data says, remove drop-ins, enable it, reload systemd.

    It is not started: a release does that. Returns the steps that make a running application out of date.
    """
    environment_file = file.put(name="Unit: variables", content=variables(environment), dest=environment.variables_path)
    content = text(environment)
    unit = file.put(name="Unit", content=content, dest=environment.unit_path)
    drop_ins = without_drop_ins(name="Unit: without drop-ins", unit=environment.unit)
    reloaded = restart.daemon_reload(
        name="Unit: systemd reloads",
        unit=environment.unit,
        path=environment.unit_path,
        content=content,
        after=[drop_ins],
    )
    enable(name="Unit: starts at boot", unit=environment.unit)
    file.put(
        name="Unit: may be restarted by the application user",
        content=render("polkit.rules.j2", environment=environment),
        dest=environment.polkit_rule_path,
    )
    return [environment_file, unit, reloaded]


def restart_if_stale(environment: Environment, after: Sequence[OperationMeta]) -> None:
    """Restart a running application once if one of its files is newer than it: unit, variables, cookie, secrets.

    The step fails with the application's last words if the application does not answer afterwards. A process that edeliver
    started keeps running until the first release.

    + environment: of the application
    + after: steps that write these files
    """
    if not host.get_fact(Link, path=environment.app_path):
        return
    restart.service(
        name="Unit: running application restarts",
        service=environment.unit,
        files=environment.start_files,
        after=after,
        check=StringCommand(QuoteString(environment.switch_path), "answers"),
    )


@operation()
def enable(unit: str) -> Generator[StringCommand]:
    """Enable the unit, so that it starts at boot.

    pyinfra's `systemd.service` does the work if a change is needed. It would also ask whether the unit runs.

    + unit: its name with its suffix
    """
    if not is_enabled(properties(unit)):
        yield from systemd.service._inner(service=unit, running=None, enabled=True)


class DropIns(FactBase[list[str]]):
    """Directories with additions to a unit, as `systemctl edit`, also with --runtime, and `set-property` create them."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, unit: str) -> StringCommand:
        places = [
            "/etc/systemd/system",
            "/etc/systemd/system.control",
            "/run/systemd/system",
            "/run/systemd/system.control",
        ]
        return StringCommand("ls -d", *[QuoteString(f"{place}/{unit}.d") for place in places], "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def without_drop_ins(unit: str) -> Generator[StringCommand]:
    """Remove drop-in directories, so that the unit's file alone decides.

    An addition belongs into a setting, or into templates/unit.service.j2.

    + unit: the unit's name with its suffix
    """
    for directory in host.get_fact(DropIns, unit=unit):
        yield StringCommand("rm -r", QuoteString(directory))
