"""Where this repository keeps its own files on the operator's computer."""

from pathlib import Path

# The top of this repository.
CHECKOUT = Path(__file__).resolve().parent.parent.parent

# Sources that were archived, and tarballs that were brought here, in a folder for each environment. Git ignores it.
RELEASES = CHECKOUT / ".releases"
