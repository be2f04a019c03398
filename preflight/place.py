"""This process works in the checkout, wherever it was started: paths in inventory and group data begin there."""

import os
import sys
from pathlib import Path

import click
from pyinfra import state

from group_data.schema.paths import CHECKOUT, enter_checkout


def enter_checkout_in_pyinfra() -> None:
    """From now on pyinfra works in the checkout. Ends it with 1 where a path that it was given would then be another.

    Does nothing without a command line of pyinfra, and in the checkout.
    """
    context = click.get_current_context(silent=True)
    operations = context.params.get("operations") if context else None
    if not operations or Path.cwd() == CHECKOUT:
        return
    files = [context.params["inventory"], *operations] if context else []
    if any(file.endswith(".py") and not Path(file).is_absolute() for file in files):
        sys.exit(f"Start pyinfra in {CHECKOUT}, or give it absolute paths. Nothing was changed.")
    enter_checkout()
    state.cwd = os.getcwd()  # noqa: PTH109  as pyinfra sets it
