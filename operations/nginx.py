"""nginx sites: tested before they take effect, and reloaded whenever the running nginx is behind the disk."""

from collections.abc import Generator, Sequence
from hashlib import sha256

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import File, Link, Sha256File
from pyinfra.operations import files
from typing_extensions import override

from operations import nginx_layout
from operations.host import file, program
from operations.host.rendering import render
from operations.host.report import announce, show_diff
from operations.host.restart import is_planned, touched_if_ahead
from operations.host.unit_state import FileTimes, HostClock, changed_since, is_running, properties, was_set_forward
from operations.nginx_layout import Layout
from operations.nginx_loaded import Loaded, NginxConfiguration

DEFAULT_SERVER = "default-server"

SERVER_NAMES_CONF = "/etc/nginx/conf.d/server-names.conf"

CONF = "/etc/nginx/nginx.conf"

# Seconds for a request's header. nginx takes it from the default server, so it is the same for all sites.
HEADER_TIMEOUT = 20

# Answers to certificate authorities, below .well-known/acme-challenge. Only root may write there, so that no application can
# order a certificate.
CHALLENGES = "/var/www/acme-challenge"

# Touched before each reload. Its time and the start of nginx show which files the running nginx has read.
LOADED = "/run/nginx.loaded"

# Seconds. If another program holds a port, nginx tries to listen for 2.5 (five times, ngx_connection.c) and then gives up.
RELOAD_PATIENCE = 10


class EditedFiles(FactBase[list[str]]):
    """Those of `files` that are not as their package brought them: nginx's own, or Debian's."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, files: list[str]) -> StringCommand:
        return program.command("edited_files.sh", *files)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class ReadableLogs(FactBase[list[str]]):
    """The logs among `paths` that everybody may read, also as logrotate has renamed them, or that are missing."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, paths: list[str]) -> StringCommand:
        return program.command("readable_logs.sh", *paths)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


class Reloaded(FactBase[list[int]]):
    """When nginx last read its configuration, in nanoseconds since 1970 by today's clock; none where nobody can tell."""

    @staticmethod
    @override
    def default() -> list[int]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("nginx_reloaded.sh")

    @override
    def process(self, output: list[str]) -> list[int]:
        return [int(line) for line in output if line.isdigit()]


class Limits(FactBase[dict[str, int]]):
    """What nginx.conf says of `connections` of a worker and of its `files`; -1 for files that another file sets."""

    @staticmethod
    @override
    def default() -> dict[str, int]:
        return {}

    @override
    def command(self) -> StringCommand:
        return program.command("nginx_limits.sh", CONF)

    @override
    def process(self, output: list[str]) -> dict[str, int]:
        return {name: int(value) for name, value in map(str.split, output)}


@operation()
def connections(number: int) -> Generator[StringCommand]:
    """Let each worker of nginx hold this many connections, and open a file for each, with room for logs and pages.

    nginx takes the number from nginx.conf alone, so that one value there is changed; a higher one stays. nginx's own, 768 in
    Debian, is what one slow client can hold.

    + number: of connections
    """
    limits, files = host.get_fact(Limits), 2 * number
    if limits.get("connections", 0) < number or 0 <= limits.get("files", 0) < files:
        announce(f"Will let each worker of nginx hold {number} connections, in {CONF}, and reload nginx")
        yield program.command("raise_nginx_limits.sh", CONF, str(number), str(files))
        yield reload()
    elif unread := _unread([CONF]):
        announce(f"Will reload nginx: it has not read {CONF} as it is by then")
        yield from touched_if_ahead(unread)
        yield reload()


@operation()
def site(
    site: str,
    content: str,
    certificates: Sequence[str] = (),
    replaces: Sequence[str] = (),
    logs: Sequence[str] = (),
    after: Sequence[OperationMeta] = (),
) -> Generator[StringCommand]:
    """Enable the site with this content, and let nginx serve it.

    `nginx -t` first tests a staged copy. If the test fails, the old site stays on disk and in force, and the operation fails
    with nginx's own words. The reload belongs to this operation, so that a plan lists it with its reason.

    + site: its name, from which the paths of its files follow
    + content: the whole file
    + certificates: files outside /etc/nginx that nginx reads for this site
    + replaces: sites whose links the same step removes
    + logs: files that nginx writes for this site, which nobody but root, nginx and adm may read
    + after: operations that write the certificates, for the plan
    """
    layout = nginx_layout.of_host()
    path, loaded = layout.path(site), layout.loaded(site)
    changed = host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest()
    file = host.get_fact(File, path=path)
    misowned = bool(file and (file["user"], file["group"], file["mode"]) != ("root", "root", 644))
    link = None if loaded == path else host.get_fact(Link, path=loaded)
    unlinked = loaded != path and (not link or link["link_target"] != path)
    replaced = [*_linked(layout, replaces), *_elsewhere(layout, site)]
    readable = host.get_fact(ReadableLogs, paths=list(logs)) if logs else []
    if changed:
        show_diff(path, content)
    if readable:
        yield program.command("close_logs.sh", layout.user, *readable)
    if changed or unlinked or replaced or misowned or readable:
        announce(f"Will test site {site} with nginx -t, put it in place, and reload nginx")
        yield StringCommand(program.command("install_site.sh", path, loaded, *replaced), _stdin=content)
        yield reload()
        return
    unread = _unread([*dict.fromkeys([path, loaded]), *certificates])
    if unread or is_planned(after):
        announce(f"Will reload nginx: it has not read {', '.join(unread or certificates)} as it is by then")
        yield from touched_if_ahead(unread)
        yield reload()
    else:
        host.noop(f"site {site} is served as it is on disk")


class PassedTo(FactBase[list[int]]):
    """The ports on loopback that a site passes requests to, as its file says, in its order."""

    @staticmethod
    @override
    def default() -> list[int]:
        return []

    @override
    def command(self, path: str) -> StringCommand:
        pattern = QuoteString(r"s/^ *server 127\.0\.0\.1:\([0-9]\{1,5\}\)[ ;].*/\1/p")
        return StringCommand("sed -n", pattern, QuoteString(path), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[int]:
        return [int(line) for line in output]


def stale_route(site: str, ports: Sequence[int]) -> str | None:
    """Why nginx does not pass the requests of a site to these ports; None if it does.

    + site: its name, from which the paths of its files follow
    + ports: on loopback
    """
    layout = nginx_layout.of_host()
    path = layout.path(site)
    passed = host.get_fact(PassedTo, path=path)
    if passed != list(ports):
        return (
            f"nginx passes its requests to port {' and '.join(map(str, passed)) or 'none'}, and not to "
            f"{' and '.join(map(str, ports))}"
        )
    return f"nginx has not read {path} anew" if _unread([*dict.fromkeys([path, layout.loaded(site)])]) else None


def _linked(layout: Layout, sites: Sequence[str]) -> list[str]:
    """The links of these sites of Debian's package, as far as there are any."""
    debian = nginx_layout.DEBIAN
    paths = [debian.loaded(site) for site in sites] if layout.loaded("") == debian.loaded("") else []
    return [path for path in paths if host.get_fact(Link, path=path) is not None]


def _elsewhere(layout: Layout, site: str) -> list[str]:
    """The same site as nginx still reads it at the path of another layout: the machine had other packages."""
    loaded: Loaded = host.get_fact(NginxConfiguration)
    others = {other.loaded(site) for other in nginx_layout.known(loaded)} - {layout.loaded(site)}
    return sorted(others.intersection(server.file for server in loaded.servers))


def _unread(paths: Sequence[str]) -> list[str]:
    """The paths that changed after the running nginx read its configuration; none if nginx does not run."""
    nginx = properties("nginx.service")
    if not is_running(nginx):
        return []
    files = host.get_fact(FileTimes, paths=[*paths, LOADED])
    loaded = files.pop(LOADED, None)
    clock = host.get_fact(HostClock)
    changed = changed_since("InactiveExitTimestamp", nginx, files, clock)
    # A reload of a time that has not come tells nothing: the clock was set back.
    reloads = [] if loaded is None or clock.is_ahead(loaded.modified) else [loaded.modified]
    # Others reload it, too, such as certbot's hook. Their time is known by today's clock alone.
    if changed and not was_set_forward("InactiveExitTimestamp", nginx, clock):
        others: list[int] = host.get_fact(Reloaded)
        reloads += others
    return [path for path in changed if all(files[path].changed > reload for reload in reloads)]


def reload() -> StringCommand:
    """The command that tests and reloads nginx, and waits until the new configuration is in force."""
    return program.command("reload_nginx.sh", LOADED, str(RELOAD_PATIENCE))


def challenge_directory(name: str) -> None:
    """Create the directory that clients of a certificate authority write their answers to.

    + name: of the operation
    """
    file.directory(name=name, path=CHALLENGES)


def default_server(name: str, content: str) -> None:
    """Our default server answers names without a site, unless another team's site is the default.

    + name: of the operation
    + content: the whole site
    """
    loaded: Loaded = host.get_fact(NginxConfiguration)
    own = {layout.loaded(DEFAULT_SERVER) for layout in nginx_layout.known(loaded)}
    files = sorted({server.file for server in loaded.servers if server.is_default} - own)
    # Debian's own counts only if somebody edited it.
    if others := host.get_fact(EditedFiles, files=files) if files else []:
        host.log(
            f"{', '.join(others)} already answers unknown names (default_server): left as it is. "
            "Remove default_server there to have them answered with 444.",
            logger.warning,
        )
        return
    site(name=name, site=DEFAULT_SERVER, content=content, replaces=["default"], _serial=True)


def long_server_names(name: str) -> None:
    """Let nginx accept server names of any length, unless another team's configuration sets a limit.

    nginx's default on most processors, 64, allows names of 46 characters. The file is always there, even without a long name
    in the group data: the host may serve longer names already. It takes effect with the next reload and needs none itself.

    + name: of the operation
    """
    loaded: Loaded = host.get_fact(NginxConfiguration)
    path = nginx_layout.beside_sites(loaded, SERVER_NAMES_CONF)
    if set(loaded.names_hash) - {path}:
        # nginx refuses a second setting.
        files.file(name=name, path=path, present=False)
    else:
        file.put(name=name, content=render("server-names.conf.j2"), dest=path)
