"""Options of entry points: variables of pyinfra's process whose names begin with DEPLOY_.

pyinfra's `--data` would read the version 1.10 as the number 1.1. A shell may have a VERSION, ENV or REF of its own; these
have no effect.
"""

import os
from collections.abc import Mapping

PREFIX = "DEPLOY_"

# Means --yes. pyinfra then skips change detection, and every plan would be empty.
_MISLEADING = "PYINFRA_YES"


def option(name: str) -> str | None:
    """The value of an option; None if it is not set or empty.

    + name: without the prefix, such as VERSION
    """
    return os.environ.get(f"{PREFIX}{name}") or None


def process_environment(options: Mapping[str, str]) -> dict[str, str]:
    """Variables for a process of pyinfra: those of this process, but only these options of entry points.

    + options: by name without the prefix
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) and name != _MISLEADING}
    # A language of ISO 8859-1 would read the files of this repository as such.
    return kept | {"PYTHONUTF8": "1"} | {f"{PREFIX}{name}": value for name, value in options.items() if value}
