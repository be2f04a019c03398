"""The paths of the inventory's vaults."""

from group_data.schema.problem import no_environment
from group_data.schema.secrets import REQUIRED_KEYS
from preflight.inventory import load
from vault import store
from vault.keys import VaultError
from vault.upkeep import Place


def places() -> dict[str, Place]:
    """The vault of every environment in the inventory, by name."""
    return {
        name: Place(
            store.vault_path(environment.vault_directory, name),
            environment.vault_identity,
            (*REQUIRED_KEYS, "basic_auth_password") if environment.basic_auth_user else REQUIRED_KEYS,
        )
        for name, environment in load().items()
    }


def place(environment: str) -> Place:
    """The vault of one environment.

    + environment: name of the environment

    Raises VaultError if there is no environment of this name.
    """
    known = places()
    if environment not in known:
        raise VaultError(no_environment(environment, known))
    return known[environment]
