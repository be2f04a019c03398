"""Sites of others on the machine's nginx, and other programs, that get the requests for an environment's site.

nginx says nothing of them: of two servers with one name it serves the first, and a server with an address of its own gets
everything that is sent to that address.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import nginx_layout
from operations.host import program
from operations.nginx_loaded import Listen, Loaded, NginxConfiguration, Server
from operations.release.obstacle import Obstacle

# nginx listens at both, whatever the sites: the default server refuses handshakes.
PORTS = (80, 443)


class VisitorAddresses(FactBase[list[str]]):
    """The addresses at which visitors, or the machine itself, may ask for a site; none where nobody can tell."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("visitor_addresses.sh")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class PortHolders(FactBase[list[list[str]]]):
    """Port, address, process id, program and unit of each program, other than nginx, that listens at one of the ports."""

    @staticmethod
    @override
    def default() -> list[list[str]]:
        return []

    @override
    def command(self, ports: Sequence[int]) -> StringCommand:
        return program.command("port_holders.sh", *map(str, ports))

    @override
    def process(self, output: list[str]) -> list[list[str]]:
        return [words for line in output if len(words := line.split("\t")) == 5]


def ask(environment: Environment, get_fact: Callable[..., Any]) -> list[Obstacle]:
    """The sites of others that get requests for the environment's site.

    + environment: of the site
    + get_fact: asks the machine
    """
    others = obstacles(environment, get_fact(NginxConfiguration), get_fact(VisitorAddresses))
    return [*others, *held(environment, get_fact(PortHolders, ports=PORTS))]


def held(environment: Environment, holders: Sequence[Sequence[str]]) -> list[Obstacle]:
    """The programs that have a port of nginx, as obstacles.

    + environment: of the site
    + holders: as `PortHolders` reads them
    """
    return [
        Obstacle(
            "held", "",
            f"{holder} (process {process}{f' of {unit}' if unit else ''}) listens on {address} on the host, and nginx needs "
            "that port",
            f"nginx does not start, or goes on without that port, and nobody reaches {environment.url}",
            _way_out(process, holder, unit),
        )
        for _, address, process, holder, unit in holders
    ]  # fmt: skip


def _way_out(process: str, holder: str, unit: str) -> str:
    if process == "1":
        return "systemctl list-sockets on the host shows which unit of systemd has it: stop and disable that one"
    if holder.startswith("sshd"):
        return "have it listen at another port: this connection may be one of its own"
    ended = f"systemctl disable --now {unit}" if unit.endswith(".service") else f"kill {process}"
    return f"end it: {ended}; or move it to another port"


def require(environment: Environment) -> None:
    """Refuse a site whose requests or ports others have, and a machine whose nginx reads no directory of sites.

    + environment: of the site

    Raises DeployError with all of them; the run ends before anything has changed.
    """
    nginx_layout.of_host()
    if found := ask(environment, host.get_fact):
        listed = "\n".join(f"  {obstacle.what}: {obstacle.why}. Mend: {obstacle.mend}" for obstacle in found)
        raise DeployError(
            f"the host would not give requests for {environment.url} to the site:\n{listed}\nNothing was changed"
        )


def obstacles(environment: Environment, loaded: Loaded, addresses: Sequence[str]) -> list[Obstacle]:
    """The sites of others that get requests for the environment's site, one for each file.

    + environment: of the site
    + loaded: the machine's configuration
    + addresses: at which the site may be asked for; none: any counts
    """
    own = {layout.loaded(environment.full_name) for layout in nginx_layout.LAYOUTS}
    found: dict[tuple[str, str], Obstacle] = {}
    for server in loaded.servers:
        if server.file not in own:
            for obstacle in (*_names(environment, server), *_addresses(environment, server, addresses)):
                found.setdefault((server.file, obstacle.what), obstacle)
    return list(found.values())


def _ports(environment: Environment, server: Server) -> Iterator[tuple[int, Listen]]:
    for port in sorted({80, environment.url_port}):
        for listen in server.listens:
            if listen.first <= port <= listen.last:
                yield port, listen


def _names(environment: Environment, server: Server) -> list[Obstacle]:
    name = environment.environment
    ports = dict.fromkeys(str(port) for port, listen in _ports(environment, server) if listen.is_for_all)
    same = [name for name in environment.server_names if name in server.names]
    if not ports or not same:
        return []
    return [
        Obstacle(
            "taken", "",
            f"{server.names[same[0]]} on the host has server_name {' '.join(same)} at port {' and '.join(ports)}, as the "
            f"site of {name} has",
            "nginx serves the one of the two that it reads first, and says nothing",
            f"take the name out of {server.file} on the host, or remove that file from there, and reload nginx; or choose "
            f"another domain in group_data/{name}.py",
        )
    ]  # fmt: skip


def _addresses(environment: Environment, server: Server, addresses: Sequence[str]) -> list[Obstacle]:
    own = [
        (port, listen) for port, listen in _ports(environment, server)
        if not listen.is_for_all and (not addresses or listen.address in addresses)
    ]  # fmt: skip
    return [
        Obstacle(
            "taken", "",
            f"{listen.place} on the host listens on {listen.shown}:{port}, an address of its own",
            f"nginx passes requests to that address to the sites that name it, and none of them to {environment.url}",
            f"write listen {port} there, without the address, and reload nginx; or remove {listen.place.rpartition(':')[0]} "
            "from there if nobody needs it",
        )
        for port, listen in own
    ]  # fmt: skip
