"""One Erlang port mapper for all nodes of the machine, reachable from the machine alone.

Without it the first node to start spawns one inside its own unit, and stopping that unit makes the others unreachable.
"""

from collections.abc import Generator
from io import StringIO

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.operations import files
from typing_extensions import override

from operations.rendering import render

SOCKET_DROP_IN = "/etc/systemd/system/epmd.socket.d/loopback.conf"
ADDRESS = "127.0.0.1:4369"


class EpmdAddresses(FactBase[list[str]]):
    """Addresses something listens on at epmd's port, 4369."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> str:
        return "ss --no-header --listening --tcp --numeric 'sport = :4369' | awk '{ print $4 }'"

    @override
    def process(self, output: list[str]) -> list[str]:
        return sorted(output)


def loopback_only() -> None:
    """Debian's epmd.socket, which listens on every interface, is told to listen on loopback."""
    files.put(
        name="Machine: epmd's address", src=StringIO(render("epmd.socket.j2", address=ADDRESS)), dest=SOCKET_DROP_IN,
        mode="644",
    )  # fmt: skip


@operation()
def listening_on_loopback() -> Generator[StringCommand]:
    """epmd.socket listens on loopback and nowhere else. Running nodes register again by themselves."""
    if host.get_fact(EpmdAddresses) != [ADDRESS]:
        yield StringCommand("systemctl daemon-reload")
        # A socket cannot be started while the service it activates holds the port.
        yield StringCommand("systemctl stop epmd.service epmd.socket")
        yield StringCommand("systemctl enable --now epmd.socket")
