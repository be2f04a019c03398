"""What pyinfra would do anew for every step, done once."""

import sys
from pathlib import Path
from types import ModuleType

import click


def entry_points_are_modules() -> None:
    """Python finds the files that this run of pyinfra executes among its modules.

    For each step pyinfra looks up the file of every frame of the stack (`api/util.py`, 3.10), and for one that is no
    module's, Python searches all modules each time: a tenth of the processor time of an apply that changes nothing.

    Does nothing where another command than pyinfra reads the inventory.
    """
    context = click.get_current_context(silent=True)
    for name in context.params.get("operations") or () if context else ():
        if name.endswith(".py"):
            # With its suffix, which no import can ask for.
            module = ModuleType(name)
            module.__file__ = str(Path(name).resolve())
            sys.modules[name] = module
