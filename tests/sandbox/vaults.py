"""Vaults with throwaway secrets, so that the committed inventory can be applied to a throwaway machine."""

from collections.abc import Iterable
from pathlib import Path

import pyrage  # type: ignore[import-untyped]

from vault import upkeep
from vault.store import vault_path

IDENTITY = "identity.txt"

# The data key `vault_directory` of environments on the sandbox.
VAULTS = ".sandbox/vault"


def make_vaults(directory: Path, environments: Iterable[str]) -> None:
    """Create a key and a vault for each environment in `directory`. Existing files stay.

    + directory: value for the data key `vault_directory`; its identity.txt is the value for `vault_identity`
    + environments: short names
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = directory / IDENTITY
    if not identity.exists():
        key = pyrage.x25519.Identity.generate()
        identity.touch(mode=0o600)
        identity.write_text(f"{key}\n")
        (directory / "recipients.txt").write_text(f"{key.to_public()}\n")
    for environment in environments:
        upkeep.init(upkeep.Place(vault_path(str(directory), environment), str(identity)))
