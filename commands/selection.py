"""Which environments a command is about: the ENV arguments that several of them share."""

import argparse
import json
import sys
from typing import NoReturn

from typing_extensions import override


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


def print_json(value: object) -> None:
    """A value on standard output, indented, one key a line."""
    print(json.dumps(value, indent=2))
