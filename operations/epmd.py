"""Erlang port mappers, epmd: one for each environment, which nobody else can reach, and Debian's own on loopback.

A port mapper that nodes share lets any of them register another's name. One that a node spawns itself lives in the unit of
that node, and is reached from every interface.
"""

from collections.abc import Generator

from pyinfra import host, state
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.reserved import EPMD_PORT
from operations.host import file, program, restart
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.unit_state import is_enabled, properties

SOCKET_DROP_IN = "/etc/systemd/system/epmd.socket.d/loopback.conf"
SHARED = f"127.0.0.1:{EPMD_PORT}"
PACKAGE = "erlang-base"


class EpmdAddresses(FactBase[list[str] | None]):
    """Addresses with a listener at a port of epmd; None if ss is not installed and nobody can tell."""

    @staticmethod
    @override
    def default() -> list[str] | None:
        return []

    @override
    def command(self, port: int = EPMD_PORT) -> StringCommand:
        return program.command("epmd_addresses.sh", str(port))

    @override
    def process(self, output: list[str]) -> list[str] | None:
        return None if output == ["untold"] else sorted(output)


def socket_address() -> None:
    """Let Debian's epmd.socket listen on loopback instead of every interface."""
    file.put(
        name="Machine: epmd's address", content=render("epmd-address.conf.j2", address=SHARED), dest=SOCKET_DROP_IN
    )


@operation()
def loopback_socket() -> Generator[StringCommand]:
    """Let Debian's epmd.socket listen only on loopback, from boot on. Running nodes register again by themselves."""
    # The package's installation starts the socket. By then the drop-in is there.
    if not state.is_executing and PACKAGE not in host.get_fact(DebPackages):
        return
    addresses = host.get_fact(EpmdAddresses)
    # A plan that installs ss cannot look, and lists no restart; the step itself looks again.
    if addresses != [SHARED] and (addresses is not None or state.is_executing):
        announce(f"Will restart epmd.socket: {', '.join(addresses or []) or 'nothing'} listens, not {SHARED} alone")
        yield from _listen("epmd.socket", "epmd.service")
    elif not is_enabled(properties("epmd.socket")):
        yield StringCommand("systemctl enable epmd.socket")


def port_mapper(environment: Environment) -> None:
    """Run a port mapper for the environment's node alone, from boot on.

    + environment: of the node
    """
    for unit, path in zip(environment.epmd_units, environment.epmd_unit_paths, strict=True):
        kind = unit.rpartition(".")[2]
        content = render(f"epmd.{kind}.j2", environment=environment)
        written = file.put(name=f"Port mapper: {kind}", content=content, dest=path)
        restart.daemon_reload(
            name=f"Port mapper: systemd reads the {kind}", unit=unit, path=path, content=content, after=[written]
        )
    socket_listens(name="Port mapper: listens", environment=environment)


@operation()
def socket_listens(environment: Environment) -> Generator[StringCommand]:
    """Let the socket of an environment's port mapper listen on loopback, from boot on.

    A running node registers again by itself.

    + environment: of the node
    """
    socket, service = environment.epmd_units
    address = f"127.0.0.1:{environment.epmd_port}"
    if host.get_fact(EpmdAddresses, port=environment.epmd_port) == [address] and is_enabled(properties(socket)):
        host.noop(f"{socket} listens at {address}")
        return
    yield from _listen(socket, service)


def _listen(socket: str, service: str) -> Generator[StringCommand]:
    yield StringCommand("systemctl daemon-reload")
    # The socket cannot start while the service holds the port.
    yield StringCommand("systemctl stop", QuoteString(service), QuoteString(socket))
    yield StringCommand("systemctl enable --now", QuoteString(socket))
