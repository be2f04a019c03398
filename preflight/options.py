"""Options of entry points: variables of pyinfra's process whose names begin with DEPLOY_.

pyinfra's `--data` would take 1.10 for the number 1.1. A shell may have a VERSION, ENV or REF of its own; none of those
steers anything.
"""

import os
from collections.abc import Mapping

PREFIX = "DEPLOY_"

# Means --yes, with which pyinfra skips change detection: a plan would be empty whatever the host is like.
_MISLEADING = "PYINFRA_YES"


def option(name: str) -> str | None:
    """What an entry point was told; None if it was not, or with an empty text.

    + name: without the prefix, such as VERSION
    """
    return os.environ.get(f"{PREFIX}{name}") or None


def process_environment(options: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process of pyinfra: those of this process, and of entry points' options these alone.

    + options: by name without the prefix
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name != _MISLEADING}
    return kept | {f"{PREFIX}{name}": value for name, value in options.items() if value}
