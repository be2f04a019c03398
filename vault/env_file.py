"""Reads a .env file, and sorts its variables into those for the vault and the others."""

import io
from collections.abc import Mapping
from typing import NamedTuple

from dotenv.parser import parse_stream

from group_data.schema.environment import Environment
from group_data.schema.reserved import source_of
from group_data.schema.secrets import is_variable
from vault.keys import VaultError


class Variables(NamedTuple):
    """The variables of a .env file.

    + taken: values by name, for the vault
    + skipped: the reason by name, for the others
    """

    taken: Mapping[str, str]
    skipped: Mapping[str, str]


def read(data: bytes, environment: Environment) -> Variables:
    """The variables of a .env file: with `export` or without, with quotes, comments, and values of several lines.

    A value that refers to another one, `$NAME` or `${NAME}`, is taken as it stands. Of two lines with one name, the last
    counts.

    + data: content of the file
    + environment: decides which variables the project sets itself

    Raises VaultError with the numbers of the lines that are no assignments, and nothing of their text.
    """
    try:
        bindings = list(parse_stream(io.StringIO(data.decode())))
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise VaultError(f"line {number} of the file is not UTF-8") from None
    if wrong := [str(binding.original.line) for binding in bindings if binding.error]:
        raise VaultError(f"the file has lines that are no assignments: {', '.join(wrong)}; mend or remove them")
    values = {binding.key: binding.value for binding in bindings if binding.key is not None}
    skipped = {name: reason for name, value in values.items() if (reason := _reason(name, value, environment))}
    return Variables({name: value for name, value in values.items() if value and name not in skipped}, skipped)


def _reason(name: str, value: str | None, environment: Environment) -> str | None:
    """The reason to leave a variable out; None to take it."""
    if name == "SECRET_KEY_BASE" and environment.makes_variable(name):
        return (
            f"it is made from the vault's secret_key_base. `make vault-set ENV={environment.environment} "
            "KEY=secret_key_base` stores this value there, and nobody is signed out"
        )
    if environment.makes_variable(name):
        return f"it is made from {source_of(name)}"
    if name in environment.unit_environment:
        return "unit_environment sets it"
    if not is_variable(name):
        return "only names of letters, digits and _ with a capital letter can be variables in a vault"
    return None if value else "it is empty"
