"""nginx on a host without IPv6: Debian's own site listens there, so its package does not get through its installation."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Link
from typing_extensions import override

from operations import nginx_layout
from operations.host import file
from operations.host.network import Ipv6
from operations.host.rendering import render
from operations.host.report import announce
from operations.host.restart import is_planned
from operations.nginx import EditedFiles
from operations.nginx_loaded import Loaded, NginxConfiguration

# Debian's installation asks this program whether it may start a service (invoke-rc.d(8)).
POLICY = "/usr/sbin/policy-rc.d"


class OurPolicy(FactBase[str]):
    """Whose the policy of this host is: "ours", "theirs", or "none"."""

    @staticmethod
    @override
    def default() -> str:
        return "none"

    @override
    def command(self) -> StringCommand:
        ours = StringCommand("grep -qs 'Managed by the deploy repository'", QuoteString(POLICY), "&& echo ours")
        return StringCommand(ours, "|| { [ -e", QuoteString(POLICY), "] && echo theirs; } || echo none")

    @override
    def process(self, output: list[str]) -> str:
        return output[0]


@operation()
def before_packages() -> Generator[StringCommand]:
    """Let the installation of nginx not start it, where it could not. Another policy of the host stays."""
    loaded: Loaded = host.get_fact(NginxConfiguration)
    if host.get_fact(Ipv6) or loaded.installed or host.get_fact(OurPolicy) != "none":
        host.noop("nginx may start when it is installed")
        return
    announce("Will install nginx without starting it: this host has no IPv6, and Debian's own site needs it")
    yield file.install(POLICY, render("policy-rc.d.j2"), "root:root", "755")


@operation()
def after_packages(after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """Take away that policy, and Debian's own site where nobody edited it: nginx would not start with it.

    + after: operations that set the policy, for the plan
    """
    default = nginx_layout.DEBIAN.loaded("default")
    if host.get_fact(OurPolicy) == "ours" or is_planned(after):
        yield StringCommand("rm -f", QuoteString(POLICY))
    # A plan cannot know of a site that is not installed yet.
    if (
        host.get_fact(Ipv6)
        or host.get_fact(Link, path=default) is None
        or default in host.get_fact(EditedFiles, files=[default])
    ):
        host.noop("nginx has no site that needs IPv6")
        return
    yield StringCommand("rm -f", QuoteString(default))
