"""Debian packages on a host."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.facts.deb import DebPackages
from pyinfra.operations import apt
from typing_extensions import override

from operations.host import file, program
from operations.host.report import announce


class UnfinishedPackages(FactBase[list[str]]):
    """The open work of an interrupted dpkg: packages to configure, and dpkg's own notes."""

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


class LostByPackages(FactBase[list[str]]):
    """What the scripts of packages made and a power cut took, in words."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, names: Sequence[str]) -> StringCommand:
        return _made_by_packages("look", names)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def _made_by_packages(what: str, names: Sequence[str]) -> StringCommand:
    return program.command("made_by_packages.sh", what, "postgresql" if "postgresql" in names else "")


@operation()
def mend(names: Sequence[str]) -> Generator[StringCommand]:
    """Make again what a power cut took of what the scripts of packages made: they would not do it.

    + names: Debian packages that the machine needs
    """
    lost = host.get_fact(LostByPackages, names=list(names))
    if not lost:
        host.noop("nothing that packages made is lost")
        return
    announce(f"Will make again: {'; '.join(lost)}")
    yield _made_by_packages("mend", names)


@operation()
def finish_dpkg() -> Generator[StringCommand]:
    """Finish an interrupted installation; until then apt refuses to work."""
    if host.get_fact(UnfinishedPackages):
        yield StringCommand("DEBIAN_FRONTEND=noninteractive dpkg --configure -a --force-confdef --force-confold")


def install(names: Sequence[str], purpose: str = "Machine") -> None:
    """Install packages. The package lists are fetched only if one is missing, so that a prepared host stays unchanged.

    + names: Debian packages
    + purpose: first word of the steps' names
    """
    missing = set(names) - set(host.get_fact(DebPackages))
    # dpkg does not wait for its lock, and an apt of a lost connection may still be at work.
    finish_dpkg(name=f"{purpose}: interrupted installation", _retries=15, _retry_delay=20)
    apt.packages(
        name=f"{purpose}: packages",
        packages=list(names),
        update=bool(missing),
        cache_time=3600,
        no_recommends=True,
        # unattended-upgrades may hold dpkg's lock for minutes. After that something is stuck, and a person should look.
        extra_install_args="-o DPkg::Lock::Timeout=300",
        # The lock on the package lists has no such timeout, and apt-daily holds it right after boot.
        _retries=3,
        _retry_delay=20,
    )
    mend(name=f"{purpose}: what packages made", names=list(names))
    # The scripts of packages write keys and databases without a sync.
    file.sync(name=f"{purpose}: packages are on the disk")
