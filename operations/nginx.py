"""nginx sites that were tested before they took effect, and a running nginx that has read what is on disk."""

from collections.abc import Generator, Sequence
from hashlib import sha256
from io import StringIO

from pyinfra import host, logger
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import File, Link, Sha256File
from pyinfra.operations import files
from typing_extensions import override

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

# $1: the site's name; the remaining arguments: links the site replaces; standard input: the candidate.
# The test sees a copy of /etc/nginx with the candidate in it, bound over the real one in a mount namespace of its own:
# real paths, and nothing outside the namespace changes. Only a candidate that passed is moved into place, by rename.
INSTALL = f"""\
set -eu
site=$1; shift
staging=$(mktemp -d /etc/nginx.staging.XXXXXX)
trap 'rm -rf "$staging"' EXIT
cp -a /etc/nginx/. "$staging"
cat > "$staging/candidate"
cp "$staging/candidate" "$staging/sites-available/$site"
ln -sfn "{AVAILABLE}/$site" "$staging/sites-enabled/$site"
for link in "$@"; do rm -f "$staging/sites-enabled/$link"; done
unshare --mount sh -c 'mount --bind "$1" /etc/nginx && nginx -t -q' sh "$staging"
chmod 644 "$staging/candidate"
mv -f "$staging/candidate" "{AVAILABLE}/$site"
ln -sfn "{AVAILABLE}/$site" "{ENABLED}/$site"
for link in "$@"; do rm -f "{ENABLED}/$link"; done
"""

# Seconds; nginx tries for 2.5 to listen where another program does (five times, ngx_connection.c), and has given up then.
RELOAD_PATIENCE = 10

# nginx is told to reload and answers at once. The new configuration is in force when the workers of the old one have stopped
# to take connections, which their titles tell; where it cannot be, say because another program has the port, they go on.
RELOAD = f"""\
set -eu
nginx -t -q
touch {LOADED}.new
master=$(systemctl show --property MainPID --value nginx.service)
workers=$(cat "/proc/$master/task/$master/children")
systemctl reload nginx.service
tries=$(({RELOAD_PATIENCE} * 20))
for worker in $workers; do
    while [ "$(tr -d '\\0' < "/proc/$worker/cmdline" 2>/dev/null)" = "nginx: worker process" ]; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            echo "nginx goes on with the configuration it had: /var/log/nginx/error.log says why. Mend that, apply again" >&2
            exit 1
        fi
        sleep 0.05
    done
done
mv -f {LOADED}.new {LOADED}
"""


class DefaultServers(FactBase[list[str]]):
    """Files below sites-enabled and conf.d, by name, that hold nginx's default server; ours is not told.

    Debian's own `default` site counts only once somebody has edited it.
    """

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> str:
        return (
            f"grep -lsE '^[^#]*listen[^;#]*default_server' {ENABLED}/* /etc/nginx/conf.d/*.conf |"
            f" grep -vxF {ENABLED}/{DEFAULT_SERVER} | while read -r file; do"
            ' real=$(readlink -f "$file"); [ "$(dpkg-query -W -f \'${Conffiles}\\n\' nginx-common nginx 2>/dev/null |'
            ' awk -v f="$real" \'$1 == f { print $2; exit }\')" = "$(md5sum < "$real" | cut -d" " -f1)" ]'
            ' || basename "$file"; done'
        )

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
    def command(self) -> str:
        return (
            "grep -lsE '^[^#]*server_names_hash_bucket_size' /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf"
            f" {ENABLED}/* | grep -vxF {SERVER_NAMES_CONF} || true"
        )

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
        yield StringCommand("sh -c", QuoteString(INSTALL), "sh", QuoteString(site), *replaced, _stdin=content)
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
    return StringCommand("sh -c", QuoteString(RELOAD))


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
