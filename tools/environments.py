"""The inventory and its environments, for commands that are not deploys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_config, ctx_state
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import exec_file

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments

CHECKOUT = Path(__file__).resolve().parent.parent


def read_inventory(
    path: str = str(CHECKOUT / "inventory.py"),
    directory: str = str(CHECKOUT),
    overrides: dict[str, Any] | None = None,
    group_data: Sequence[str] = (),
) -> Inventory:
    """An inventory, read as pyinfra reads it; nothing is connected to.

    + path: its file; the committed one by default
    + directory: pyinfra's working directory, where group_data is
    + overrides: what `--data` says
    + group_data: what `--group-data` says
    """
    with _no_command_line():
        inventory: Inventory = make_inventory(path, overrides, directory, list(group_data))
        return inventory


def read_names(path: str) -> dict[str, Any]:
    """What an inventory file defines, by name; pyinfra takes the lists for groups.

    + path: the file
    """
    with _no_command_line():
        return dict(exec_file(path, return_locals=True))


@contextmanager
def _no_command_line() -> Iterator[None]:
    """inventory.py speaks to state and config, and checks what the command line says: these are for its reading alone."""
    with ctx_state.use(State()), ctx_config.use(Config()), click.Context(click.Command("inventory")):
        yield


def load() -> dict[str, Environment]:
    """Every environment of the committed inventory by its short name.

    Raises SettingsError when the group data has problems.
    """
    return {environment.environment: environment for environment in read_environments(read_inventory()).values()}
