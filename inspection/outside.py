"""The site as visitors see it: asked from this computer, and at the host's own addresses."""

import errno
import http.client
import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from pyinfra.api import FactBase, Host, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.host import program

# Seconds. TCP tries again after 1 and 3.
PATIENCE = 5

# A name with more has them for balance, and a few tell.
_ADDRESSES = 4

State = Literal["own", "other", "silent", "refused", "unknown"]


class Place(NamedTuple):
    """An address and a port, with the answer there.

    + address: IPv4 or IPv6
    + port: of TCP
    + state: own, other: this or another site answers; silent, refused: nobody does; unknown: this computer cannot ask there
    """

    address: str
    port: int
    state: State

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class AnswersAt(FactBase[dict[str, str]]):
    """Own, other or silent, by address of the host: which site answers there. Empty before an apply."""

    @staticmethod
    @override
    def default() -> dict[str, str]:
        return {}

    @override
    def command(self, site: str, domain: str, port: int, url: str, mark: str) -> StringCommand:
        return program.command("answers_at.sh", site, domain, str(port), url, mark)

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split(" ", 1) for line in output if " " in line)


def answers_on_host(host: Host, environment: Environment) -> dict[str, str]:
    """The answers at the host's own addresses, as `AnswersAt` reads them.

    Raises PyinfraError when the question to the host fails.
    """
    return fact(
        host,
        AnswersAt,
        site=environment.full_name,
        domain=environment.domain,
        port=environment.url_port,
        url=f"{environment.url}{environment.site_mark_page}",
        mark=environment.site_mark,
    )


def answers_from_here(host: Host, environment: Environment) -> list[Place]:
    """The answers at the addresses of the site's name, asked from this computer; where it has none, at the machine's own.

    + host: connected
    + environment: of the site
    """
    asked = [
        (address, port)
        for address in _addresses(environment.domain) or _peer(host)
        for port in sorted({80, environment.url_port})
    ]
    with ThreadPoolExecutor() as pool:
        states = list(pool.map(lambda pair: _state(environment, *pair), asked))
    return [Place(address, port, state) for (address, port), state in zip(asked, states, strict=True)]


def _addresses(domain: str) -> list[str]:
    try:
        found = socket.getaddrinfo(domain, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return _first(str(address[0]) for *_, address in found)


def _first(addresses: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(addresses))[:_ADDRESSES]


def _peer(host: Host) -> list[str]:
    """The machine's address, where the connection goes straight to it."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    # Behind a jump host the connection is one to a program of this computer.
    if not transport or getattr(transport.sock, "family", None) not in (socket.AF_INET, socket.AF_INET6):
        return []
    return [str(transport.sock.getpeername()[0])]


def _state(environment: Environment, address: str, port: int) -> State:
    try:
        said = _page(environment, address, port)
    except TimeoutError:
        return "silent"
    except ConnectionRefusedError:
        return "refused"
    except (ssl.SSLError, http.client.HTTPException, ConnectionError):
        # Somebody took the connection, and is not nginx with this site.
        return "other"
    except OSError as error:
        # A firewall may refuse so, too. Without a route for IPv6 this computer itself says ENETUNREACH.
        return "refused" if error.errno == errno.EHOSTUNREACH else "unknown"
    return "own" if said.startswith(environment.site_mark.encode()) else "other"


def _page(environment: Environment, address: str, port: int) -> bytes:
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    connection.sock = socket.create_connection((address, port), timeout=PATIENCE)
    try:
        if port == 443:
            # The certificate has findings of its own.
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=environment.domain)
        connection.request("GET", environment.site_mark_page, headers={"Host": environment.domain})
        return connection.getresponse().read(100)
    finally:
        connection.close()
