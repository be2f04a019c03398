"""Where nginx of a machine reads its sites: as Debian's package has it, as nginx.org's has it, or a directory of its own."""

import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from operations.nginx_loaded import Loaded, NginxConfiguration, includes, matches

# All files of ours are below it, and a candidate is tested in a copy of it.
_ROOT = "/etc/nginx/"


class Layout(NamedTuple):
    """Where a site's file is, and who reads it.

    + available: directory of the files
    + enabled: directory of links to those that are served; None where every file is
    + suffix: of the names that nginx reads
    + user: of nginx's workers
    + group: of that user
    + prefix: of the names that nginx reads
    """

    available: str
    enabled: str | None
    suffix: str
    user: str
    group: str
    prefix: str = ""

    def path(self, site: str) -> str:
        """The file of a site."""
        return f"{self.available}/{site}" if self.enabled else self.loaded(site)

    def loaded(self, site: str) -> str:
        """The path by which nginx reads it."""
        return f"{self.enabled or self.available}/{self.prefix}{site}{self.suffix}"


DEBIAN = Layout("/etc/nginx/sites-available", "/etc/nginx/sites-enabled", "", "www-data", "www-data")
NGINX_ORG = Layout("/etc/nginx/conf.d", None, ".conf", "nginx", "nginx")

LAYOUTS = (DEBIAN, NGINX_ORG)


def of_host() -> Layout:
    """The layout of the machine of this deploy; Debian's where nginx is not installed yet.

    Raises DeployError when nginx reads no directory of sites.
    """
    loaded: Loaded = host.get_fact(NginxConfiguration)
    return choose(loaded)


def choose(loaded: Loaded) -> Layout:
    """The layout of a machine.

    + loaded: its configuration

    Raises DeployError when nginx reads no directory of sites.
    """
    if layout := _read_by(loaded):
        return layout
    raise DeployError(
        "nginx on the host reads its sites from no directory below /etc/nginx, so no site of ours would be served: add "
        "include /etc/nginx/conf.d/*.conf; to the block http of /etc/nginx/nginx.conf. Nothing was changed"
    )


def user_of(loaded: Loaded) -> str:
    """The user of nginx's workers.

    + loaded: its configuration
    """
    return (_read_by(loaded) or DEBIAN).user


def known(loaded: Loaded) -> list[Layout]:
    """Every layout by which nginx of a machine may read a site: Debian's, nginx.org's, and those that its files name.

    + loaded: its configuration
    """
    return [*LAYOUTS, *_of_its_own(loaded)]


def beside_sites(loaded: Loaded, path: str) -> str:
    """The path of a file that nginx reads among its sites: this one, or else one beside the sites.

    + loaded: its configuration
    + path: below conf.d
    """
    if includes(loaded, path) or not loaded.installed:
        return path
    return choose(loaded).loaded(posixpath.basename(path).removesuffix(".conf"))


def _read_by(loaded: Loaded) -> Layout | None:
    if not loaded.installed:
        return DEBIAN
    for layout in known(loaded):
        if includes(loaded, layout.loaded("site")):
            # nginx takes the group of the user's name where none is given.
            user, group = (*loaded.user, *loaded.user)[:2] if loaded.user else (layout.user, layout.group)
            return layout._replace(user=user, group=group)
    return None


def _of_its_own(loaded: Loaded) -> Iterator[Layout]:
    """Directories below /etc/nginx of which nginx reads every file, or those with a beginning or an end of their names.

    Those that have a site already come first.
    """
    for pattern in sorted(
        loaded.includes, key=lambda pattern: not any(matches(server.file, pattern) for server in loaded.servers)
    ):
        directory, names = posixpath.split(pattern)
        if directory.startswith(_ROOT) and not set(directory) & set("*?[") and names.count("*") == 1:
            prefix, suffix = names.split("*")
            if not set(names) & set("?["):
                yield DEBIAN._replace(enabled=directory, prefix=prefix, suffix=suffix)
