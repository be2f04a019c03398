"""What runs ask a machine, carried from the project that prepared it to copies of the project.

A run that knows what to ask is one exchange, and costs the machine a quarter of the processor's time.
"""

import shutil
from pathlib import Path

from connectors import memory

_FOLDER = "pyinfra-snapshot"
ENVIRONMENTS = ("prod", "stage")


def _names(checkout: Path) -> list[str]:
    """Names of the files of a plan and an apply of both environments, in one order for every checkout."""
    runs = [(detects, environment) for detects in ("True", "False") for environment in ENVIRONMENTS]
    return [
        memory.path_of(
            [str(checkout), "pyinfra", "inventory.py", "deploy.py", detects, "sandbox None", environment, *ENVIRONMENTS]
        ).name
        for detects, environment in runs
    ]


def keep(checkout: Path, directory: Path) -> None:
    """Copy what the runs of a checkout asked.

    + checkout: whose commands had `.cache` in it for their cache
    + directory: made; its files are named by what they are of
    """
    directory.mkdir()
    for number, name in enumerate(_names(checkout)):
        shutil.copy2(checkout / ".cache" / _FOLDER / name, directory / str(number))


def give(directory: Path, checkout: Path) -> None:
    """Let the runs of a checkout begin with it.

    + directory: that `keep` made
    + checkout: a copy, whose cache is `.cache`
    """
    folder = checkout / ".cache" / _FOLDER
    folder.mkdir(mode=0o700, parents=True)
    for number, name in enumerate(_names(checkout)):
        shutil.copy2(directory / str(number), folder / name)
