"""Paths of this repository on the operator's computer."""

import os
from pathlib import Path

# The top of this repository.
CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Archives of sources, and a folder for each environment with tarballs from its build host. Git ignores it.
RELEASES = CHECKOUT / ".releases"

# Variables of this process that hold a path.
_PATHS = ("DEPLOY_TARBALL", "DEPLOY_APP", "SSH_IDENTITY_FILE", "VAULT_IDENTITY_FILE")


def enter_checkout() -> None:
    """Work in the checkout from now on. Paths in variables keep their place."""
    for name in _PATHS:
        if path := os.environ.get(name):
            os.environ[name] = str(Path(path).expanduser().absolute())
    os.chdir(CHECKOUT)
