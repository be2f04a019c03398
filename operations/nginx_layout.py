"""The two ways in which packages of nginx lay out their configuration: Debian's, and nginx.org's."""

from typing import NamedTuple

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from operations.nginx_loaded import Loaded, NginxConfiguration, includes


class Layout(NamedTuple):
    """Where a site's file is, and who reads it.

    + available: directory of the files
    + enabled: directory of links to those that are served; None where every file is
    + suffix: of the files' names
    + user: of nginx's workers
    + group: of that user
    """

    available: str
    enabled: str | None
    suffix: str
    user: str
    group: str

    def path(self, site: str) -> str:
        """The file of a site."""
        return f"{self.available}/{site}{self.suffix}"

    def loaded(self, site: str) -> str:
        """The path by which nginx reads it."""
        return f"{self.enabled or self.available}/{site}{self.suffix}"


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
        "nginx on the host reads neither /etc/nginx/sites-enabled/* nor /etc/nginx/conf.d/*.conf, so no site of ours would "
        "be served: add include /etc/nginx/conf.d/*.conf; to the block http of /etc/nginx/nginx.conf. Nothing was changed"
    )


def user_of(loaded: Loaded) -> str:
    """The user of nginx's workers.

    + loaded: its configuration
    """
    return (_read_by(loaded) or DEBIAN).user


def _read_by(loaded: Loaded) -> Layout | None:
    if not loaded.installed:
        return DEBIAN
    for layout in LAYOUTS:
        if includes(loaded, layout.loaded("site")):
            # nginx takes the group of the user's name where none is given.
            user, group = (*loaded.user, *loaded.user)[:2] if loaded.user else (layout.user, layout.group)
            return layout._replace(user=user, group=group)
    return None
