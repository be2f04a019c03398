"""The inventory and its environments, for commands that are not deploys."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
import pyinfra_cli.inventory
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

# Errors while reading: pyinfra's own, SyntaxError, the files' own (pyinfra wraps them), and those of data that is no
# inventory.
_READING = (PyinfraError, click.ClickException, SyntaxError, TypeError, ValueError, OSError)


class InventoryError(PyinfraError):
    """An inventory or group data that Python cannot run.

    + problem: file, line and Python's message
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(describe([problem]))
        self.problem = problem


def read_inventory(
    path: str = str(CHECKOUT / "inventory.py"),
    directory: str = str(CHECKOUT),
    overrides: dict[str, Any] | None = None,
    group_data: Sequence[str] = (),
    needed: Sequence[str] = (),
) -> Inventory:
    """An inventory, read as pyinfra reads it, without a connection.

    + path: file of the inventory; the committed one by default
    + directory: pyinfra's working directory, with group_data in it
    + overrides: values of `--data`
    + group_data: values of `--group-data`
    + needed: environments, by name of group or host. A file of another one that cannot be read counts as empty; none means
      that all are needed

    Raises InventoryError.
    """
    unreadable: dict[str, Problem] = {}
    with _no_command_line(), pass_over(unreadable) if needed else nullcontext():
        inventory: Inventory = make_inventory(path, overrides, directory, list(group_data))
    for host in inventory:
        for group in host.groups:
            if group in unreadable and {host.name, *host.groups} & {*needed}:
                raise InventoryError(unreadable[group])
    # An environment that no group has may be the one in the file.
    for name in needed:
        if name in unreadable:
            raise InventoryError(unreadable[name])
    return inventory


@contextmanager
def pass_over(unreadable: dict[str, Problem]) -> Iterator[None]:
    """In the block, a file of group data that Python cannot run counts as empty.

    + unreadable: gets the problem of each, by its group
    """
    real = pyinfra_cli.inventory.exec_file
    pass_over_from_now_on(unreadable)
    try:
        yield
    finally:
        pyinfra_cli.inventory.exec_file = real


def pass_over_from_now_on(unreadable: dict[str, Problem]) -> None:
    """A file of group data that Python cannot run counts as empty. all.py belongs to every environment and is read as ever.

    + unreadable: gets the problem of each, by its group
    """
    real = pyinfra_cli.inventory.exec_file

    def read(filename: str, *arguments: Any, **keywords: Any) -> Any:
        file = Path(filename)
        try:
            return real(filename, *arguments, **keywords)
        except _READING as error:
            if file.parent.name != "group_data" or file.stem == "all":
                raise
            unreadable[file.stem] = _unreadable(error)
            return {}

    pyinfra_cli.inventory.exec_file = read


def read_names(path: str) -> dict[str, Any]:
    """The values in an inventory file, by name. pyinfra makes a group of each list.

    + path: the file

    Raises InventoryError.
    """
    with _no_command_line():
        return dict(exec_file(path, return_locals=True))


@contextmanager
def _no_command_line() -> Iterator[None]:
    """Give inventory.py a state, a config and an empty command line of its own while it is read."""
    try:
        with ctx_state.use(State()), ctx_config.use(Config()), click.Context(click.Command("inventory")):
            yield
    except _READING as error:
        raise InventoryError(_unreadable(error)) from error


def load(needed: Sequence[str] = ()) -> dict[str, Environment]:
    """Every environment of the committed inventory by its short name.

    + needed: short names of environments that must be right. Others that are wrong are left out; none means all

    Raises InventoryError if the inventory cannot be read, and SettingsError if the group data has problems.
    """
    known = read_environments(read_inventory(needed=needed), tuple(needed))
    return {environment.environment: environment for environment in known.values()}


def _unreadable(error: Exception) -> Problem:
    """File, line and Python's message; for an error of our own code, its message."""
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
