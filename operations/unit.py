"""The systemd unit of one environment, its user, its directories, and the rights of the login user."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Directory
from pyinfra.operations import systemd
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import machine
from operations.host import file, program, restart
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.unit_state import is_enabled, properties


def users(environment: Environment) -> None:
    """Create the application's user and its group, which may read the secret file. Nobody logs in as it."""
    machine.group(name="Group of the secret file", group=environment.group)
    # It ran the application once.
    machine.no_member(
        name="Group of the secret file: without the login user", user=environment.login, group=environment.group
    )
    machine.account(
        name="User of the application",
        user=environment.user,
        home=environment.private_path,
        shell=machine.NO_LOGIN,
        group=environment.group,
    )


class RootDirectory(FactBase[list[str]]):
    """What is otherwise with the directories of an environment, in the words of environment_root.sh."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, words: Sequence[str]) -> StringCommand:
        return program.command("environment_root.sh", "look", *words)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def directories(environment: Environment) -> Generator[StringCommand]:
    """Give the environment's root, its link and its releases to root, and the application its own directories.

    The application writes to `private`, the HOME of the running release, to AppSignal's and to those of
    `writable_directories`. Without AppSignal its directory is removed: it holds the agent's lock and data that it has not
    sent.

    + environment: whose directories they are
    """
    readable = "no" if environment.has_secrets_in_release else "yes"
    own = [f"{name}={mode}" for name, mode in environment.own_directories.items()]
    words = [environment.root, environment.user, environment.login, readable, *own]
    differences = host.get_fact(RootDirectory, words=words)
    changes = [line for line in differences if not line.startswith("other ")]
    superfluous = not environment.appsignal and host.get_fact(Directory, path=environment.appsignal_path)
    for line in differences:
        if line not in changes and line != "other appsignal":
            name = line.removeprefix("other ")
            announce(f"{environment.root}/{name} stays with {environment.login}: name it in writable_directories if the "
                     "application writes there")  # fmt: skip
    if changes:
        announce(f"Will give each directory its owner: {', '.join(changes)}")
        yield program.command("environment_root.sh", "set", *words)
    if superfluous:
        # The directory around it belongs to root by now, and rm follows no link.
        yield StringCommand("rm -r", QuoteString(environment.appsignal_path))
    if not changes and not superfluous:
        host.noop(f"{environment.root} is as it should be")


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
        name="Unit: may be restarted by the login user",
        content=render("polkit.rules.j2", environment=environment),
        dest=environment.polkit_rule_path,
    )
    file.put(
        name="Unit: console of the login user",
        content=render("sudoers.j2", environment=environment),
        dest=environment.sudo_rule_path,
        mode="440",
    )
    return [environment_file, unit, reloaded]


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
