"""The ports that the machine keeps to itself: those of its applications and of the Erlang port mapper.

An application as `mix phx.new` leaves it listens on every interface. An nftables table of our own drops connections to these
ports that do not come over loopback, beside any other firewall. It names no other port, so it locks nobody out.

The table has no port for the nodes: `ERL_ZFLAGS` in the unit's variables binds them to 127.0.0.1. An application that names
another interface in its `vm.args`, for a cluster, overrules this: doctor names its port.

On loopback itself, a second table for each environment leaves the ports of the application and its node to their user.
"""

from collections.abc import Collection, Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.operation import OperationMeta
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import nginx_layout
from operations.host import file, program, restart
from operations.host.firewall import TableInForce, owner_table
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.unit_state import is_enabled, is_running, properties
from operations.release.history import is_released

TABLE_PATH = "/etc/deploy-ports.nft"
UNIT = "deploy-ports.service"
UNIT_PATH = f"/etc/systemd/system/{UNIT}"
# Loads the tables of all environments, for a unit of systemd.
OWNERS = "/usr/bin/find /etc/deploy-ports.d -name *.nft -exec /usr/sbin/nft --file {} \\;"
NFTABLES = "nftables.service"
NFTABLES_PATH = f"/etc/systemd/system/{NFTABLES}.d/deploy-ports.conf"


class OtherPorts(FactBase[list[int]]):
    """Ports of environments on the machine that are not in the data: taken out of it, or of another repository.

    Their applications may still run.
    """

    @staticmethod
    @override
    def default() -> list[int]:
        return []

    @override
    def command(self, known: Sequence[str]) -> StringCommand:
        return program.command("other_ports.sh", *known)

    @override
    def process(self, output: list[str]) -> list[int]:
        return sorted({port for line in output if (port := int(line)) <= 65535})


class SshdPorts(FactBase[list[int]]):
    """The ports that sshd serves."""

    @staticmethod
    @override
    def default() -> list[int]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("sshd_ports.sh")

    @override
    def process(self, output: list[str]) -> list[int]:
        return sorted({int(line) for line in output})


class UserOfUnit(FactBase[str | None]):
    """The user of a unit's main process; None if it does not run."""

    @override
    def command(self, unit: str) -> StringCommand:
        process = StringCommand("systemctl show --property MainPID --value", QuoteString(unit))
        return StringCommand("stat --format %U /proc/$(", process, ") 2>/dev/null || true", _separator="")

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0] if output else None


class PortClosed(FactBase[bool]):
    """Whether the kernel drops connections to a port that do not come over loopback."""

    @staticmethod
    @override
    def default() -> bool:
        return False

    @override
    def command(self, port: int) -> StringCommand:
        return program.command("port_is_closed.sh", str(port))

    @override
    def process(self, output: list[str]) -> bool:
        return output == ["closed"]


class StartedPorts(FactBase[dict[str, int]]):
    """The web ports that running applications were started with, by unit, as far as they serve there."""

    @staticmethod
    @override
    def default() -> dict[str, int]:
        return {}

    @override
    def command(self, units: Sequence[str]) -> StringCommand:
        return program.command("started_ports.sh", *units)

    @override
    def process(self, output: list[str]) -> dict[str, int]:
        return {unit: int(port) for unit, port in (line.split() for line in output)}


def former(environments: Sequence[Environment]) -> dict[str, int]:
    """The ports at which applications serve until they restart, by environment, where the data has another port by now.

    + environments: every environment on the machine
    """
    started: dict[str, int] = host.get_fact(StartedPorts, units=[environment.unit for environment in environments])
    taken = {environment.port for environment in environments}
    return {
        environment.environment: port
        for environment in environments
        if (port := started.get(environment.unit)) and port not in taken and is_released(environment)
    }


def closed(environments: Sequence[Environment], former: Collection[int] = (), part: str = "closed ports") -> None:
    """Close the ports of a machine's applications to the network, now and at every boot.

    Raises DeployError, while preparing, when sshd serves one of them.

    + environments: every environment on the machine, in or out of `--limit`
    + former: further ports, at which applications serve until they restart
    + part: name of the steps
    """
    others = host.get_fact(OtherPorts, known=sorted(environment.variables_path for environment in environments))
    ports = sorted(
        {
            *others,
            *former,
            *(
                port
                for environment in environments
                for port in (*environment.closed_ports, *environment.upstream_ports)
            ),
        }
    )
    _require_without_sshd(ports)
    ruleset = render("deploy-ports.nft.j2", ports=ports)
    _file(f"{part}: table", TABLE_PATH, ruleset)
    _unit_file(f"{part}: unit", UNIT, UNIT_PATH, render("deploy-ports.service.j2", path=TABLE_PATH, owners=OWNERS))
    _unit_file(
        f"{part}: after other tables",
        NFTABLES,
        NFTABLES_PATH,
        render("nftables.service.j2", path=TABLE_PATH, owners=OWNERS),
    )
    in_force(name=f"Machine: {part}: in force", ports=ports, ruleset=ruleset)


def _require_without_sshd(ports: Sequence[int]) -> None:
    # Before the file is written: it would lock everybody out at the next boot.
    served: list[int] = host.get_fact(SshdPorts)
    if taken := [str(port) for port in ports if port in served]:
        raise DeployError(
            f"sshd serves port {' and '.join(taken)} on this machine, and closing it would lock you out: give the "
            "environment another port. Nothing was changed."
        )


def _file(what: str, path: str, content: str) -> OperationMeta:
    return file.put(name=f"Machine: {what}", content=content, dest=path)


def _unit_file(what: str, unit: str, path: str, content: str) -> None:
    written = _file(what, path, content)
    restart.daemon_reload(
        name=f"Machine: {what.partition(':')[0]}: systemd reads {unit}",
        unit=unit,
        path=path,
        content=content,
        after=[written],
    )


@operation()
def in_force(ports: Sequence[int], ruleset: str) -> Generator[StringCommand]:
    """Load the table if the kernel has another one or none, and let it come back at boot and beside other firewalls.

    The kernel is asked, not systemd: `nft flush ruleset` removes the table and leaves the unit active. It is compared with
    the ruleset, not with the file, so that plan and execution agree.

    + ports: those in the table, for the plan
    + ruleset: content of the table's file
    """
    unit, there = properties(UNIT), host.get_fact(TableInForce, ruleset=ruleset)
    # A plan that installs nft cannot look: the table is where its unit runs. The step itself looks again.
    if there is not False and is_running(unit) and is_enabled(unit):
        host.noop("the table is in force")
        return
    announce(f"Will close the ports {', '.join(map(str, ports))} to the network")
    yield program.command("close_ports.sh", TABLE_PATH, UNIT)


def owner_file(environment: Environment, former: int | None = None, part: str = "table of its user") -> OperationMeta:
    """Write the table that leaves an environment's port to its user. The unit loads it when it starts.

    Not earlier: a release from before the application had a user of its own still serves the port.

    + environment: whose port it is
    + former: port of before a change, at which the application still serves
    + part: name of the step
    """
    return file.put(
        name=f"Port: {part}",
        content=owner_table(environment, nginx_layout.of_host().user, former)["ruleset"],
        dest=environment.owner_table_path,
    )


@operation()
def owner_in_force(environment: Environment, former: int | None = None) -> Generator[StringCommand]:
    """Load an environment's table if the kernel has another one or none: the unit loads it at its start alone.

    Not while a process that edeliver started serves the port as the login user: nobody would hear it any more. The first
    release ends that process.

    + environment: whose port it is
    + former: port of before a change, at which the application still serves
    """
    if host.get_fact(UserOfUnit, unit=environment.unit) == environment.login:
        host.noop(f"{environment.unit} runs as {environment.login} until it is released")
        return
    if host.get_fact(TableInForce, **owner_table(environment, nginx_layout.of_host().user, former)):
        host.noop("the table is in force")
        return
    announce(f"Will leave port {environment.port} to {environment.user}")
    yield StringCommand("nft --file", QuoteString(environment.owner_table_path))
