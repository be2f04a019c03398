"""Where the vaults of the inventory are."""

from group_data.schema.secrets import REQUIRED_KEYS
from preflight.inventory import load
from vault import store
from vault.keys import VaultError
from vault.upkeep import Place


def places() -> dict[str, Place]:
    """The vault of every environment in the inventory, by the environment's name."""
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

    + environment: its name

    Raises VaultError when there is none of this name.
    """
    known = places()
    if environment not in known:
        raise VaultError(f"there is no environment {environment!r}: give ENV as one of {', '.join(sorted(known))}")
    return known[environment]
