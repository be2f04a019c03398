"""The inventory hosts of named environments."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from group_data.schema.problem import no_environment
from preflight.inventory import load, read_inventory


class UnknownEnvironmentError(PyinfraError):
    """The inventory has no environment of this name."""


class Selection(NamedTuple):
    """The environments that a command is about.

    + inventory: the committed one
    + environments: all of it, by host name
    + hosts: those that were chosen, in the order of the inventory
    """

    inventory: Inventory
    environments: Mapping[str, Environment]
    hosts: list[Host]


def select_committed(names: Sequence[str], *, strict: bool = False) -> Selection:
    """The named environments of the committed inventory. Others with wrong data are left out, with a warning.

    + names: as for `select`
    + strict: whether all must be right

    Raises UnknownEnvironmentError, and the errors of `load`.
    """
    needed = () if strict else tuple(names)
    inventory = read_inventory(needed=needed)
    environments = read_environments(inventory, needed)
    return Selection(inventory, environments, select(names, inventory, environments))


def select(names: Sequence[str], inventory: Inventory, environments: Mapping[str, Environment]) -> list[Host]:
    """The hosts of the named environments, in the order of the inventory.

    + names: short names of environments, or names of hosts and groups as for `--limit`; none means all
    + environments: by host name

    Raises UnknownEnvironmentError for a name without a match.
    """
    known = {
        host: {environments[host.name].environment, host.name, *host.groups}
        for host in inventory
        if host.name in environments
    }
    for name in names:
        if not any(name in own for own in known.values()):
            existing = [environment.environment for environment in environments.values()]
            raise UnknownEnvironmentError(no_environment(name, existing))
    return [host for host, own in known.items() if not names or own & set(names)]


def choose(names: Sequence[str]) -> list[Environment]:
    """The named environments; without names all of them.

    + names: short names

    Raises UnknownEnvironmentError, and the errors of `load`.
    """
    known = load()
    for name in names:
        if name not in known:
            raise UnknownEnvironmentError(no_environment(name, known))
    return [environment for name, environment in known.items() if not names or name in names]
