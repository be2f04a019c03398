"""Things of this repository that the data no longer wants: vaults, tarballs, and environments on lost machines."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pyinfra.api import Inventory

from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT, RELEASES
from preflight import known_machines
from preflight.known_machines import Entry


def former_applications(inventory: Inventory, environments: Mapping[str, Environment], machine: str) -> list[str]:
    """The applications that were prepared on a machine and that the inventory has nowhere.

    + inventory: which the environments belong to
    + environments: all of them, by host name
    + machine: address, as an entry names it
    """
    wanted = {environment.app for environment in environments.values()}
    known = [entry for entry, _ in _unwanted(inventory, environments) if entry.machine == machine]
    return list(dict.fromkeys(entry.app for entry in known if entry.app not in wanted))


def find(
    inventory: Inventory, environments: Mapping[str, Environment], on_machines: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Each thing with the command that removes it.

    + inventory: which the environments belong to
    + environments: all of them, by host name
    + on_machines: what was found left over on all machines of the inventory, as text
    """
    machines = {known_machines.address(host) for host in inventory}
    for entry, path in _unwanted(inventory, environments):
        name, remove = (
            f"{entry.app}_{entry.environment}",
            f"sed -i {shlex.quote(f'/^{_plain(entry)}$/d')} {_shown(path)}",
        )
        if entry.machine not in machines:
            yield (
                f"environment {name} on {entry.machine}, which the inventory no longer has: application, database and "
                "secrets may live on there",
                f"put it back into inventory.py and look with make drift; if the machine is gone: {remove}",
            )
        elif not any(name in text for text in on_machines):
            yield f"line of {name} in {_shown(path)}, of which nothing is left on {entry.machine}", remove
    yield from _files(environments)


def _unwanted(inventory: Inventory, environments: Mapping[str, Environment]) -> list[tuple[Entry, Path]]:
    """The entries that no data makes, with their files."""
    wanted = known_machines.entries((inventory.get_host(name), each) for name, each in environments.items())
    files = dict.fromkeys(known_machines.path_of(environment) for environment in environments.values())
    return [(entry, path) for path in files for entry in known_machines.read(path) if entry not in wanted]


def _files(environments: Mapping[str, Environment]) -> Iterator[tuple[str, str]]:
    """Vaults and tarballs of environments that there are not."""
    wanted = {environment.environment for environment in environments.values()}
    vaults = {CHECKOUT / environment.vault_directory for environment in environments.values()}
    for path in _named([path for directory in vaults for path in directory.glob("*.age")], wanted):
        yield f"vault {_shown(path)}", f"git rm {_shown(path)}, or rm if git does not know it"
    # Other directories there are caches of builds.
    for path in _named({tarball.parent for tarball in RELEASES.glob("*/*.tar.gz")}, wanted):
        yield f"tarballs in {_shown(path)}", f"rm -r {_shown(path)}"


def _named(paths: Iterable[Path], wanted: set[str]) -> list[Path]:
    return sorted(path for path in paths if path.stem not in wanted)


def _shown(path: Path) -> str:
    return shlex.quote(str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path))


def _plain(entry: Entry) -> str:
    return entry.line.replace(".", "[.]").replace("/", "[/]")
