"""The configuration that nginx loads: its servers with their names and addresses, and the directories that it includes."""

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host import program
from operations.nginx_syntax import Directive, files

# Files that include each other end there.
_DEPTH = 10

# What nginx may look up.
_HOST_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")

# Of sites: without TLS, and with it.
PORTS = (80, 443)

_PORT = re.compile(r"(?:(?P<address>.*):)?(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")


class Listen(NamedTuple):
    """One address at which a server listens.

    + place: file and line
    + address: without brackets; "*" and "::" for all of them
    + first: port
    + last: the same port, or the last one of a range
    + options: the words after the address
    """

    place: str
    address: str
    first: int
    last: int
    options: list[str]

    @property
    def is_for_all(self) -> bool:
        """Whether it takes what no server with an address of its own takes."""
        return self.address in ("*", "::")

    def has(self, port: int) -> bool:
        """Whether it listens at a port.

        + port: of TCP
        """
        return self.first <= port <= self.last

    @property
    def shown(self) -> str:
        """The address as nginx writes it before a port."""
        return f"[{self.address}]" if ":" in self.address else self.address


class Server(NamedTuple):
    """One server.

    + file: that begins it
    + block: http, stream or mail
    + listens: its addresses
    + names: place of each of its names, by the name
    """

    file: str
    block: str
    listens: list[Listen]
    names: dict[str, str]

    @property
    def is_default(self) -> bool:
        """Whether it answers names that no server has, at the ports of sites."""
        return self.block == "http" and any(
            listen.is_for_all
            and {"default_server", "default"}.intersection(listen.options)
            and any(listen.has(port) for port in PORTS)
            for listen in self.listens
        )


class Loaded(NamedTuple):
    """The configuration of a machine's nginx.

    + installed: whether there is one
    + user: of its workers, and the group if there is one: as a file says it, or else as nginx was built; empty without both
    + includes: patterns of files among its sites
    + servers: all of them, in nginx's order
    + names_hash: files that set the size of its hash of server names
    """

    installed: bool
    user: list[str]
    includes: list[str]
    servers: list[Server]
    names_hash: list[str]


NOT_INSTALLED = Loaded(installed=False, user=[], includes=[], servers=[], names_hash=[])


class NginxConfiguration(FactBase[Loaded]):
    """What nginx has loaded, or would load: `nginx -T`, or its files where nginx refuses one of them."""

    @staticmethod
    @override
    def default() -> Loaded:
        return NOT_INSTALLED

    @override
    def command(self) -> StringCommand:
        return program.command("nginx_configuration.sh")

    @override
    def process(self, output: list[str]) -> Loaded:
        return read(output)


def read(lines: Sequence[str]) -> Loaded:
    """The configuration in the output of `nginx -T`, which a line `built for USER GROUP` may precede.

    + lines: of the output
    """
    read_files = files(lines)
    if not read_files:
        return NOT_INSTALLED
    main = next(iter(read_files))
    top = list(_expanded(read_files[main], read_files, main))
    users = [directive.words[1:3] for directive in top if directive.name == "user"]
    sites = [
        (block.name, directive)
        for block in top
        if block.name in ("http", "stream", "mail")
        for directive in _expanded(block.block, read_files, main)
    ]
    return Loaded(
        installed=True,
        user=users[0] if users else _built_for(lines),
        includes=[
            _absolute(directive.words[-1], main)
            for block, directive in sites
            if (block, directive.name) == ("http", "include")
        ],
        servers=[
            _server(directive, block, read_files, main) for block, directive in sites if directive.name == "server"
        ],
        names_hash=[directive.file for _, directive in sites if directive.name == "server_names_hash_bucket_size"],
    )


def _built_for(lines: Sequence[str]) -> list[str]:
    words = lines[0].split()
    return words[2:4] if words[:2] == ["built", "for"] else []


def includes(loaded: Loaded, path: str) -> bool:
    """Whether nginx reads a file of this path among its sites.

    + loaded: its configuration
    + path: of the file
    """
    return any(matches(path, pattern) for pattern in loaded.includes)


def matches(path: str, pattern: str) -> bool:
    """Whether nginx reads a file of this path by this pattern.

    + path: of the file
    + pattern: of an include
    """
    parts, patterns = path.split("/"), pattern.split("/")
    # As glob(3): a star stands for no slash, and for no dot at the beginning.
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, wanted) and (not part.startswith(".") or wanted.startswith("."))
        for part, wanted in zip(parts, patterns, strict=True)
    )


def listen_names(loaded: Loaded) -> list[str]:
    """The names of hosts in place of addresses, at which servers listen: nginx resolves them when it starts.

    + loaded: configuration
    """
    addresses = {listen.address for server in loaded.servers for listen in server.listens if listen.first}
    return sorted(address for address in addresses if _HOST_NAME.fullmatch(address) and not _is_address(address))


def with_addresses(loaded: Loaded, resolved: Mapping[str, Sequence[str]]) -> Loaded:
    """The same configuration with the addresses of these names.

    + loaded: configuration
    + resolved: addresses by name
    """
    return loaded._replace(
        servers=[
            server._replace(
                listens=[
                    listen._replace(address=_spelt(address))
                    for listen in server.listens
                    for address in resolved.get(listen.address, [listen.address])
                ]
            )
            for server in loaded.servers
        ]
    )


def _expanded(
    directives: Sequence[Directive], read_files: Mapping[str, list[Directive]], main: str, depth: int = _DEPTH
) -> Iterator[Directive]:
    """The directives, each include followed by those of its files."""
    for directive in directives:
        yield directive
        if directive.name == "include" and depth:
            pattern = _absolute(directive.words[-1], main)
            for path in sorted(path for path in read_files if matches(path, pattern)):
                yield from _expanded(read_files[path], read_files, main, depth - 1)


def _absolute(pattern: str, main: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(main), pattern))


def _server(server: Directive, block: str, read_files: Mapping[str, list[Directive]], main: str) -> Server:
    listens: list[Listen] = []
    names: dict[str, str] = {}
    for directive in _expanded(server.block, read_files, main):
        if directive.name == "server_name":
            # ".example.com" is the name itself, and all below it.
            words = [name.lower() for name in directive.words[1:]]
            both = [name.removeprefix(".") for name in words] + [f"*{name}" for name in words if name.startswith(".")]
            names |= dict.fromkeys(both, directive.place)
        elif directive.name == "listen" and len(directive.words) > 1:
            listens.append(_listen(directive))
    # nginx's own, for root.
    return Server(server.file, block, listens or [Listen(server.place, "*", 80, 80, [])], names)


def _listen(directive: Directive) -> Listen:
    _, word, *options = directive.words
    if word.startswith("unix:") or {"quic", "udp"}.intersection(options):
        # Nobody asks there by TCP.
        return Listen(directive.place, word, 0, 0, options)
    # A bare IPv6 address stands in brackets, and may be without a port.
    word = word.lower()
    found = None if word.endswith("]") else _PORT.fullmatch(word)
    address = found["address"] or "*" if found else word
    first = int(found["first"]) if found else 80
    last = int(found["last"]) if found and found["last"] else first
    address = {"0.0.0.0": "*", "localhost": "127.0.0.1"}.get(address, _spelt(address.strip("[]")))  # noqa: S104  only compared
    return Listen(directive.place, address, first, last, options)


def _spelt(address: str) -> str:
    """An address as the host itself writes it: of one of IPv6 there are many spellings."""
    return str(ip_address(address)) if _is_address(address) else address


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
