"""One Erlang port mapper for all nodes of the machine, reachable from the machine alone.

Without it the first node to start spawns one inside its own unit, and stopping that unit makes the others unreachable.
"""

from collections.abc import Generator
from io import StringIO

from pyinfra import host, state
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import files
from typing_extensions import override

from operations.host import program
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.unit_state import is_enabled, properties

SOCKET_DROP_IN = "/etc/systemd/system/epmd.socket.d/loopback.conf"
ADDRESS = "127.0.0.1:4369"
PACKAGE = "erlang-base"


class EpmdAddresses(FactBase[list[str] | None]):
    """Addresses something listens on at epmd's port, 4369; None where ss, which could tell, is not installed."""

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
    """Debian's epmd.socket, which listens on every interface, is told to listen on loopback."""
    files.put(
        name="Machine: epmd's address",
        src=StringIO(render("epmd.socket.j2", address=ADDRESS)),
        dest=SOCKET_DROP_IN,
        user="root",
        group="root",
        mode="644",
    )


@operation()
def loopback_socket() -> Generator[StringCommand]:
    """epmd.socket listens on loopback and nowhere else, from boot on. Running nodes register again by themselves."""
    # Installing the package starts the socket, with the drop-in that is there by then.
    if not state.is_executing and PACKAGE not in host.get_fact(DebPackages):
        return
    addresses = host.get_fact(EpmdAddresses)
    # A plan that installs ss takes epmd for what it was; the step itself looks again.
    if addresses != [ADDRESS] and (addresses is not None or state.is_executing):
        announce(f"Will restart epmd.socket: {', '.join(addresses or []) or 'nothing'} listens, not {ADDRESS} alone")
        yield StringCommand("systemctl daemon-reload")
        # A socket cannot be started while the service it activates holds the port.
        yield StringCommand("systemctl stop epmd.service epmd.socket")
        yield StringCommand("systemctl enable --now epmd.socket")
    elif not is_enabled(properties("epmd.socket")):
        yield StringCommand("systemctl enable epmd.socket")
