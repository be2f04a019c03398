"""The inventory and its environments, for commands that are not deploys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.context import ctx_config, ctx_state
from pyinfra_cli.exceptions import UnexpectedExternalError
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import exec_file

from group_data.schema.environment import Environment
from group_data.schema.inventory import describe, read_environments
from group_data.schema.paths import CHECKOUT
from group_data.schema.problem import Problem
from vault.keys import shown

# What reading them can raise: pyinfra's own errors, SyntaxError and what the files raise, which pyinfra wraps, and data it
# cannot make an inventory of.
_READING = (PyinfraError, click.ClickException, SyntaxError, TypeError, ValueError, OSError)


class InventoryError(PyinfraError):
    """An inventory or group data that Python cannot run.

    + problem: which file and line, and what Python says
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(describe([problem]))
        self.problem = problem


def read_inventory(
    path: str = str(CHECKOUT / "inventory.py"),
    directory: str = str(CHECKOUT),
    overrides: dict[str, Any] | None = None,
    group_data: Sequence[str] = (),
) -> Inventory:
    """An inventory, read as pyinfra reads it; nothing is connected to.

    + path: its file; the committed one by default
    + directory: pyinfra's working directory, where group_data is
    + overrides: what `--data` says
    + group_data: what `--group-data` says

    Raises InventoryError.
    """
    with _no_command_line():
        inventory: Inventory = make_inventory(path, overrides, directory, list(group_data))
        return inventory


def read_names(path: str) -> dict[str, Any]:
    """What an inventory file defines, by name; pyinfra takes the lists for groups.

    + path: the file

    Raises InventoryError.
    """
    with _no_command_line():
        return dict(exec_file(path, return_locals=True))


@contextmanager
def _no_command_line() -> Iterator[None]:
    """inventory.py speaks to state and config, and checks what the command line says: these are for its reading alone."""
    try:
        with ctx_state.use(State()), ctx_config.use(Config()), click.Context(click.Command("inventory")):
            yield
    except _READING as error:
        raise InventoryError(_unreadable(error)) from error


def load() -> dict[str, Environment]:
    """Every environment of the committed inventory by its short name.

    Raises InventoryError when it cannot be read, and SettingsError when the group data has problems.
    """
    return {environment.environment: environment for environment in read_environments(read_inventory()).values()}


def _unreadable(error: Exception) -> Problem:
    """File, line and what Python says; or what our own code says that inventory.py calls."""
    if isinstance(error, PyinfraError):
        return Problem(
            "the inventory", str(error).removesuffix(" Nothing was changed.").removesuffix("."), "inventory.py"
        )
    cause = error.exception if isinstance(error, UnexpectedExternalError) else error
    where, line = getattr(error, "filename", None) or "inventory.py", getattr(cause, "lineno", None)
    traceback = cause.__traceback__
    while line is None and traceback:
        if traceback.tb_frame.f_code.co_filename == where:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    place = f"{shown(Path(where).resolve())}{f', line {line}' if line else ''}"
    said = cause.msg if isinstance(cause, SyntaxError) else str(cause)
    return Problem("the inventory", f"cannot be read: {type(cause).__name__}: {said}; mend this line", place)
