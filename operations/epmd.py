"""One Erlang port mapper for all nodes of the machine, reachable only from the machine itself.

Otherwise the first node spawns a port mapper inside its own unit. To stop that unit would make the other nodes unreachable.
"""

from collections.abc import Generator

from pyinfra import host, state
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from typing_extensions import override

from group_data.schema.reserved import EPMD_PORT
from operations.host import file, program
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.unit_state import is_enabled, properties

SOCKET_DROP_IN = "/etc/systemd/system/epmd.socket.d/loopback.conf"
ADDRESS = f"127.0.0.1:{EPMD_PORT}"
PACKAGE = "erlang-base"


class EpmdAddresses(FactBase[list[str] | None]):
    """Addresses with a listener at epmd's port, 4369; None if ss is not installed and nobody can tell."""

    @staticmethod
    @override
    def default() -> list[str] | None:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("epmd_addresses.sh")

    @override
    def process(self, output: list[str]) -> list[str] | None:
        return None if output == ["untold"] else sorted(output)


def socket_address() -> None:
    """Let Debian's epmd.socket listen on loopback instead of every interface."""
    file.put(name="Machine: epmd's address", content=render("epmd.socket.j2", address=ADDRESS), dest=SOCKET_DROP_IN)


@operation()
def loopback_socket() -> Generator[StringCommand]:
    """Let epmd.socket listen only on loopback, from boot on. Running nodes register again by themselves."""
    # The package's installation starts the socket. By then the drop-in is there.
    if not state.is_executing and PACKAGE not in host.get_fact(DebPackages):
        return
    addresses = host.get_fact(EpmdAddresses)
    # A plan that installs ss cannot look, and lists no restart; the step itself looks again.
    if addresses != [ADDRESS] and (addresses is not None or state.is_executing):
        announce(f"Will restart epmd.socket: {', '.join(addresses or []) or 'nothing'} listens, not {ADDRESS} alone")
        yield StringCommand("systemctl daemon-reload")
        # The socket cannot start while epmd.service holds the port.
        yield StringCommand("systemctl stop epmd.service epmd.socket")
        yield StringCommand("systemctl enable --now epmd.socket")
    elif not is_enabled(properties("epmd.socket")):
        yield StringCommand("systemctl enable epmd.socket")
