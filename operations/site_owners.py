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
from operations import nginx_layout, nginx_loaded
from operations.host import program
from operations.nginx_loaded import PORTS, Listen, Loaded, NginxConfiguration, Server
from operations.release.obstacle import Obstacle


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


class Resolved(FactBase[dict[str, list[str]]]):
    """The addresses of names, as the machine itself resolves them; a name that it cannot resolve is left out."""

    @staticmethod
    @override
    def default() -> dict[str, list[str]]:
        return {}

    @override
    def command(self, names: Sequence[str]) -> StringCommand:
        return program.command("resolve.sh", *names)

    @override
    def process(self, output: list[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, address in map(str.split, output):
            found.setdefault(name, []).append(address)
        return found


def ask(environment: Environment, get_fact: Callable[..., Any]) -> list[Obstacle]:
    """The sites of others that get requests for the environment's site.

    + environment: of the site
    + get_fact: asks the machine
    """
    loaded: Loaded = get_fact(NginxConfiguration)
    if names := nginx_loaded.listen_names(loaded):
        loaded = nginx_loaded.with_addresses(loaded, get_fact(Resolved, names=names))
    others = obstacles(environment, loaded, get_fact(VisitorAddresses))
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
    own = {layout.loaded(environment.full_name) for layout in nginx_layout.known(loaded)}
    found: dict[tuple[str, str], Obstacle] = {}
    for server in loaded.servers:
        if server.file not in own:
            for obstacle in (
                *_names(environment, server),
                *_addresses(environment, server, addresses),
                *_whole_ports(environment, server),
            ):
                found.setdefault((server.file, obstacle.what), obstacle)
    return list(found.values())


def _ports(environment: Environment, server: Server) -> Iterator[tuple[int, Listen]]:
    for port in sorted({80, environment.url_port}):
        for listen in server.listens:
            if listen.has(port):
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


def _whole_ports(environment: Environment, server: Server) -> list[Obstacle]:
    """Servers that take a port away from all sites, or change what nginx expects there of every visitor."""
    return [
        Obstacle(
            "taken", "",
            f"{listen.place} on the host {why}",
            f"{consequence}, and nobody reaches {environment.url}",
            f"change that line, or remove {server.file} from there if nobody needs it, and reload nginx",
        )
        for port, listen in _ports(environment, server)
        if listen.is_for_all
        for why, consequence in _for_every_site(server, listen, port)
    ]  # fmt: skip


def _for_every_site(server: Server, listen: Listen, port: int) -> Iterator[tuple[str, str]]:
    if server.block != "http":
        yield (
            f"listens on port {port} in the block {server.block}",
            "nginx cannot listen there a second time, for sites",
        )
        return
    if "ipv6only=off" in listen.options:
        yield (
            f"listens on {listen.shown}:{port} with ipv6only=off, which takes the port for IPv4 as well",
            f"nginx cannot listen on {port} beside it",
        )
    # Both hold for the address, whichever server names them (ngx_http_core_module, listen).
    if "proxy_protocol" in listen.options:
        yield (
            f"listens on port {port} with proxy_protocol",
            "nginx then expects that protocol of every site's visitors there",
        )
    if "ssl" in listen.options and port == PORTS[0]:
        yield f"listens on port {port} with ssl", "nginx then expects TLS of every site's visitors there"


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
