"""Debian packages on a host."""

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.deb import DebPackages
from typing_extensions import override

from operations.host import file, program
from operations.host.report import announce

# The kinds of lines of packages.sh, with a plan's words for those that apply does and a refusal's for the others.
_DONE = {"install": "Will install", "upgrade": "Will upgrade"}
_REFUSED = {"remove": "remove", "downgrade": "go back to an older version of", "held": "change what is held back:"}
_WORDS = {*_DONE, *_REFUSED, "error"}


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


class PackageChanges(FactBase[list[list[str]]]):
    """What apt would change to install packages: kind, name and versions of each package, or what keeps apt from it."""

    @staticmethod
    @override
    def default() -> list[list[str]]:
        return []

    @override
    def command(self, names: Sequence[str]) -> StringCommand:
        return program.command("packages_change.sh", *names)

    @override
    def process(self, output: list[str]) -> list[list[str]]:
        lines = [line.split("\t") for line in output]
        return [line for line in lines if line[0] in _WORDS and len(line) > 1 and all(line)]


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
        # PostgreSQL makes its cluster in the language of the machine.
        words = "umask 022 && env --unset=LC_ALL --unset=LANGUAGE DEBIAN_FRONTEND=noninteractive dpkg --configure -a"
        yield StringCommand(words, "--force-confdef --force-confold")


def install(names: Sequence[str], purpose: str = "Machine") -> None:
    """Install packages. The package lists are fetched only if one is missing, so that a prepared host stays unchanged.

    + names: Debian packages
    + purpose: first word of the steps' names

    Raises DeployError when apt cannot install them, or would take away or change what somebody else decided about.
    """
    # dpkg does not wait for its lock, and an apt of a lost connection may still be at work.
    finish_dpkg(name=f"{purpose}: interrupted installation", _retries=15, _retry_delay=20)
    if missing := sorted(set(names) - set(host.get_fact(DebPackages))):
        _tell(missing)
    _installed(name=f"{purpose}: packages", names=list(names))
    mend(name=f"{purpose}: what packages made", names=list(names))
    # The scripts of packages write keys and databases without a sync.
    file.sync(name=f"{purpose}: packages are on the disk")


# pyinfra's `apt.packages` would let apt remove what is in the way.
@operation()
def _installed(names: Sequence[str]) -> Generator[StringCommand]:
    """Install those of the packages that are missing, and remove or hold back nothing."""
    missing = sorted(set(names) - set(host.get_fact(DebPackages)))
    if not missing:
        host.noop("all packages are installed")
        return
    yield program.command("install_packages.sh", *missing)


def _tell(missing: Sequence[str]) -> None:
    """Name every package that apt would install or upgrade. Raises DeployError when it may not, or cannot."""
    changes = host.get_fact(PackageChanges, names=list(missing))
    wanted = " ".join(missing)
    if errors := [words for kind, *rest in changes for words in rest if kind == "error"]:
        raise DeployError(
            f"apt on the host cannot install {wanted}: {'; '.join(errors)}. Nothing was changed. "
            f"As root on the host, `apt-get update` and `apt-get --simulate install {wanted}` show more"
        )
    if refused := [f"{words} {_listed(changes, kind)}" for kind, words in _REFUSED.items() if _listed(changes, kind)]:
        raise DeployError(
            f"to install {wanted}, apt would {' and '.join(refused)}. Only a person decides that, so nothing was changed. "
            "If nothing needs these packages any more, remove them on the host with apt-get, or release a hold with "
            "apt-mark unhold; otherwise choose another machine"
        )
    for kind, words in _DONE.items():
        if packages := _listed(changes, kind):
            announce(f"{words} {packages}")


def _listed(changes: Sequence[Sequence[str]], kind: str) -> str:
    """The packages of one kind, with the versions where they were and will be."""
    packages = [(name, versions) for each, name, *versions in changes if each == kind]
    known = [
        name if kind in {"install", "held"} else f"{name} ({' to '.join(versions)})" for name, versions in packages
    ]
    return ", ".join(dict.fromkeys(known))
