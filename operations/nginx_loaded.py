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

_PORT = re.compile(r"(?:(?P<address>.*):)?(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?")


class Listen(NamedTuple):
    """One address at which a server listens.

    + place: file and line
    + address: without brackets; "*" and "::" for all of them
    + first: port
    + last: the same port, or the last one of a range
    """

    place: str
    address: str
    first: int
    last: int

    @property
    def is_for_all(self) -> bool:
        """Whether it takes what no server with an address of its own takes."""
        return self.address in ("*", "::")

    @property
    def shown(self) -> str:
        """The address as nginx writes it before a port."""
        return f"[{self.address}]" if ":" in self.address else self.address


class Server(NamedTuple):
    """One server.

    + file: that begins it
    + listens: its addresses
    + names: place of each of its names, by the name
    """

    file: str
    listens: list[Listen]
    names: dict[str, str]


class Loaded(NamedTuple):
    """The configuration of a machine's nginx.

    + installed: whether there is one
    + user: of its workers, and the group if there is one; empty where no file says it
    + includes: patterns of files among its sites
    + servers: all of them, in nginx's order
    """

    installed: bool
    user: list[str]
    includes: list[str]
    servers: list[Server]


class NginxConfiguration(FactBase[Loaded]):
    """What nginx has loaded, or would load: `nginx -T`, or its files where nginx refuses one of them."""

    @staticmethod
    @override
    def default() -> Loaded:
        return Loaded(installed=False, user=[], includes=[], servers=[])

    @override
    def command(self) -> StringCommand:
        return program.command("nginx_configuration.sh")

    @override
    def process(self, output: list[str]) -> Loaded:
        return read(output)


def read(lines: Sequence[str]) -> Loaded:
    """The configuration in the output of `nginx -T`.

    + lines: of the output
    """
    read_files = files(lines)
    if not read_files:
        return Loaded(installed=False, user=[], includes=[], servers=[])
    main = next(iter(read_files))
    top = list(_expanded(read_files[main], read_files, main))
    users = [directive.words[1:3] for directive in top if directive.name == "user"]
    sites = [
        (block.name, directive)
        for block in top
        if block.name in ("http", "stream")
        for directive in _expanded(block.block, read_files, main)
    ]
    return Loaded(
        installed=True,
        user=users[0] if users else [],
        includes=[
            _absolute(directive.words[-1], main)
            for block, directive in sites
            if (block, directive.name) == ("http", "include")
        ],
        servers=[_server(directive, read_files, main) for _, directive in sites if directive.name == "server"],
    )


def includes(loaded: Loaded, path: str) -> bool:
    """Whether nginx reads a file of this path among its sites.

    + loaded: its configuration
    + path: of the file
    """
    return any(_matches(path, pattern) for pattern in loaded.includes)


def _expanded(
    directives: Sequence[Directive], read_files: Mapping[str, list[Directive]], main: str, depth: int = _DEPTH
) -> Iterator[Directive]:
    """The directives, each include followed by those of its files."""
    for directive in directives:
        yield directive
        if directive.name == "include" and depth:
            pattern = _absolute(directive.words[-1], main)
            for path in sorted(path for path in read_files if _matches(path, pattern)):
                yield from _expanded(read_files[path], read_files, main, depth - 1)


def _absolute(pattern: str, main: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(main), pattern))


def _matches(path: str, pattern: str) -> bool:
    parts, patterns = path.split("/"), pattern.split("/")
    # As glob(3): a star stands for no slash, and for no dot at the beginning.
    return len(parts) == len(patterns) and all(
        fnmatch.fnmatchcase(part, wanted) and (not part.startswith(".") or wanted.startswith("."))
        for part, wanted in zip(parts, patterns, strict=True)
    )


def _server(server: Directive, read_files: Mapping[str, list[Directive]], main: str) -> Server:
    listens: list[Listen] = []
    names: dict[str, str] = {}
    for directive in _expanded(server.block, read_files, main):
        if directive.name == "server_name":
            # ".example.com" is the name itself, and all below it.
            names |= {name.lower().removeprefix("."): directive.place for name in directive.words[1:]}
        elif directive.name == "listen" and len(directive.words) > 1:
            listens.append(_listen(directive))
    # nginx's own, for root.
    return Server(server.file, listens or [Listen(server.place, "*", 80, 80)], names)


def _listen(directive: Directive) -> Listen:
    word = directive.words[1]
    if word.startswith("unix:") or "quic" in directive.words:
        # Nobody asks there by TCP.
        return Listen(directive.place, word, 0, 0)
    # A bare IPv6 address stands in brackets, and may be without a port.
    found = None if word.endswith("]") else _PORT.fullmatch(word)
    address = found["address"] or "*" if found else word
    first = int(found["first"]) if found else 80
    last = int(found["last"]) if found and found["last"] else first
    address = {"0.0.0.0": "*", "localhost": "127.0.0.1"}.get(address, _spelt(address.strip("[]")))  # noqa: S104  only compared
    return Listen(directive.place, address, first, last)


def _spelt(address: str) -> str:
    """An address as the host itself writes it: of one of IPv6 there are many spellings."""
    try:
        return str(ip_address(address))
    except ValueError:
        return address
