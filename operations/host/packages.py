"""Debian packages on a host."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt
from typing_extensions import override

from operations.host import program


class UnfinishedPackages(FactBase[list[str]]):
    """What an interrupted dpkg left to do: packages to configure, and its own notes of what it was about."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self) -> StringCommand:
        return program.command("unfinished_packages.sh")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def finish_dpkg() -> Generator[StringCommand]:
    """An installation that was interrupted is carried to its end; until then apt refuses to work."""
    if host.get_fact(UnfinishedPackages):
        yield StringCommand("DEBIAN_FRONTEND=noninteractive dpkg --configure -a --force-confdef --force-confold")


def install(names: Sequence[str], purpose: str = "Machine") -> None:
    """The packages are installed. Lists are fetched only when one is missing, so that a prepared host stays unchanged.

    + names: of Debian's packages
    + purpose: what they are for, with which the names of the steps begin
    """
    missing = set(names) - set(host.get_fact(DebPackages))
    # dpkg itself does not wait for its lock: an apt that a lost connection left behind may still be at work.
    finish_dpkg(name=f"{purpose}: interrupted installation", _retries=15, _retry_delay=20)
    apt.packages(
        name=f"{purpose}: packages",
        packages=list(names),
        update=bool(missing),
        cache_time=3600,
        no_recommends=True,
        # unattended-upgrades may hold dpkg's lock for minutes; after that something is stuck and a person should look.
        extra_install_args="-o DPkg::Lock::Timeout=300",
        # The lock on the package lists knows no such timeout: apt-daily holds it right after boot.
        _retries=3,
        _retry_delay=20,
    )
