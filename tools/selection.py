"""Which environments a command is about: the ENV arguments that several of them share."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError
from typing_extensions import override

from group_data.schema.environment import Environment


class UnknownEnvironmentError(PyinfraError):
    """A name that no environment of the inventory has."""


class Parser(argparse.ArgumentParser):
    """Takes `[ENV ...]`, and ends with 1 when misused: argparse's own 2 means something else here.

    + json: whether it takes `--json` too
    """

    def __init__(self, prog: str, description: str, *, json: bool = True) -> None:
        super().__init__(prog=prog, description=description)
        self.add_argument("environments", nargs="*", metavar="ENV", help="default: every environment")
        if json:
            self.add_argument("--json", action="store_true", help="the result as JSON")

    @override
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def select(names: Sequence[str], inventory: Inventory, environments: Mapping[str, Environment]) -> list[Host]:
    """The hosts of the named environments, in the order of the inventory.

    + names: short names of environments, or what else `--limit` takes: names of hosts and groups; none means all
    + environments: by host name

    Raises UnknownEnvironmentError for a name that matches nothing.
    """
    known = {host: {environments[host.name].environment, host.name, *host.groups} for host in inventory}
    for name in names:
        if not any(name in own for own in known.values()):
            existing = ", ".join(environment.environment for environment in environments.values())
            raise UnknownEnvironmentError(f"there is no environment {name!r}: give ENV as one of {existing}")
    return [host for host, own in known.items() if not names or own & set(names)]


def print_json(value: object) -> None:
    """A value on standard output, indented, one key a line."""
    print(json.dumps(value, indent=2))
