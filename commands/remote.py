"""A process that becomes ssh, for commands of a running release."""

import os
from collections.abc import Sequence
from typing import NoReturn

from pyinfra.api import Host

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from operations.host.ssh import ssh
from preflight.inventory import read_inventory
from preflight.selection import select


def targets(names: Sequence[str]) -> list[tuple[Host, Environment]]:
    """Inventory hosts with their environments.

    + names: of environments; none means all of them
    """
    inventory = read_inventory()
    environments = read_environments(inventory)
    return [(host, environments[host.name]) for host in select(names, inventory, environments)]


def become_ssh(host: Host, command: Sequence[str], *, terminal: bool = False) -> NoReturn:
    """Run a command on a host in place of this process: one in between would have to pass on signals and window sizes.

    + host: of the inventory
    + command: with its arguments
    + terminal: whether it gets one
    """
    os.execvp("ssh", ssh(host, command, terminal=terminal))  # noqa: S606
