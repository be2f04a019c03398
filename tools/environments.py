"""The inventory's environments, for commands that are not deploys."""

from pathlib import Path

from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_config, ctx_state
from pyinfra_cli.inventory import make_inventory

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments

CHECKOUT = Path(__file__).resolve().parent.parent


def read_inventory() -> Inventory:
    """The committed inventory, read as pyinfra reads it; nothing is connected to."""
    # inventory.py speaks to these two, and pyinfra's command line is not there to provide them.
    with ctx_state.use(State()), ctx_config.use(Config()):
        inventory: Inventory = make_inventory(str(CHECKOUT / "inventory.py"), cwd=str(CHECKOUT))
        return inventory


def load() -> dict[str, Environment]:
    """Every environment of the committed inventory by its short name.

    Raises SettingsError when the group data has problems.
    """
    return {environment.environment: environment for environment in read_environments(read_inventory()).values()}
