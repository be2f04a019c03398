"""nginx sites that were tested before they took effect, and a running nginx that has read what is on disk."""

from collections.abc import Generator, Sequence
from hashlib import sha256
from io import StringIO

from pyinfra import host, logger
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import File, Link, Sha256File
from pyinfra.operations import files
from typing_extensions import override

from operations.host import program
from operations.host.rendering import render
from operations.host.report import announce, show_diff
from operations.host.restart import is_planned
from operations.host.unit_state import FileTimes, changed_since, is_running, properties

AVAILABLE = "/etc/nginx/sites-available"
ENABLED = "/etc/nginx/sites-enabled"
DEFAULT_SERVER = "default-server"

SERVER_NAMES_CONF = "/etc/nginx/conf.d/server-names.conf"

# Touched before each reload; together with the start of nginx it tells what the running nginx has read.
LOADED = "/run/nginx.loaded"

# Seconds; nginx tries for 2.5 to listen where another program does (five times, ngx_connection.c), and has given up then.
RELOAD_PATIENCE = 10


class DefaultServers(FactBase[list[str]]):
    """Files below sites-enabled and conf.d, by name, that hold nginx's default server; ours is not told.

    Debian's own `default` site counts only once somebody has edited it.
    """

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("default_servers.sh", f"{ENABLED}/{DEFAULT_SERVER}")

    @override
    def process(self, output: list[str]) -> list[str]:
        return sorted(output)


class ServerNamesHash(FactBase[list[str]]):
    """Files, other than ours, that set the size of nginx's server names, which only one may."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("server_names_hash.sh", SERVER_NAMES_CONF)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def site(
    site: str,
    content: str,
    certificates: Sequence[str] = (),
    replaces: Sequence[str] = (),
    after: Sequence[OperationMeta] = (),
) -> Generator[StringCommand]:
    """The site is enabled with this content, and nginx serves it.

    `nginx -t` decides first, on a staged copy: a site that fails it leaves the old one on disk and in force, and the
    operation fails with nginx's own words. The reload belongs to this operation so that a plan lists it with its reason.

    + site: name below sites-available
    + content: the whole file
    + certificates: files outside /etc/nginx that nginx reads for this site
    + replaces: links in sites-enabled that go away in the same step
    + after: operations that write the certificates, for the plan
    """
    path = f"{AVAILABLE}/{site}"
    changed = host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest()
    file = host.get_fact(File, path=path)
    misowned = bool(file and (file["user"], file["group"], file["mode"]) != ("root", "root", 644))
    link = host.get_fact(Link, path=f"{ENABLED}/{site}")
    unlinked = not link or link["link_target"] != path
    replaced = [other for other in replaces if host.get_fact(Link, path=f"{ENABLED}/{other}") is not None]
    if changed:
        show_diff(path, content)
    if changed or unlinked or replaced or misowned:
        announce(f"Will test site {site} with nginx -t, put it in place, and reload nginx")
        yield StringCommand(program.command("install_site.sh", site, *replaced), _stdin=content)
        yield _reload()
        return
    unread = _unread([path, f"{ENABLED}/{site}", *certificates])
    if unread or is_planned(after):
        announce(f"Will reload nginx: it has not read {', '.join(unread or certificates)} as it is by then")
        yield _reload()
    else:
        host.noop(f"site {site} is served as it is on disk")


def _unread(paths: Sequence[str]) -> list[str]:
    """Which of the paths changed since the running nginx read its configuration; none when nginx does not run."""
    nginx = properties("nginx.service")
    if not is_running(nginx):
        return []
    files = host.get_fact(FileTimes, paths=[*paths, LOADED])
    loaded = files.pop(LOADED, None)
    changed = changed_since(nginx["InactiveExitTimestamp"], files)
    return [path for path in changed if loaded is None or files[path].changed > loaded.modified]


def _reload() -> StringCommand:
    return program.command("reload_nginx.sh", LOADED, str(RELOAD_PATIENCE))


def default_server(name: str, content: str) -> None:
    """Names no site answers to meet our default server, unless another team's site already is the default.

    + name: of the operation
    + content: the whole site
    """
    if others := host.get_fact(DefaultServers):
        host.log(
            f"{', '.join(others)} in /etc/nginx already answers unknown names (default_server): left as it is. "
            "Remove default_server there to have them answered with 444.",
            logger.warning,
        )
        return
    site(name=name, site=DEFAULT_SERVER, content=content, replaces=["default"], _serial=True)


def long_server_names(name: str) -> None:
    """nginx takes server names as long as they may be, unless another team's configuration already says how long.

    Its default on most processors, 64, takes names of 46 characters. Always there, not only when a long name is: what is
    on the host may be longer than what the group data of this run says. Takes effect with the next reload; nothing else
    needs one.

    + name: of the operation
    """
    if host.get_fact(ServerNamesHash):
        # nginx refuses to be told twice.
        files.file(name=name, path=SERVER_NAMES_CONF, present=False)
    else:
        files.put(
            name=name,
            src=StringIO(render("server-names.conf.j2")),
            dest=SERVER_NAMES_CONF,
            create_remote_dir=False,
            user="root",
            group="root",
            mode="644",
        )
