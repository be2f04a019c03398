"""Paths of this repository on the operator's computer."""

from pathlib import Path

# The top of this repository.
CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Archives of sources, and a folder for each environment with tarballs from its build host. Git ignores it.
RELEASES = CHECKOUT / ".releases"
