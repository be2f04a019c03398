"""Facts without a host: the command each sends, and its reading of the output. One case is one file.

A case is named `FACT-WHAT.json` and holds an object:

- `arg`: the arguments of the fact
- `command`: the command line, with `@NAME.sh` for the text of a program, and `…` for anything
- `output`: the lines that a host answers
- `fact`: the fact's value; a named tuple is an object, another tuple is a list, so is a set, in order; a time is text
"""

import importlib
import json
import pkgutil
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from pyinfra.api import FactBase, QuoteString, StringCommand

from operations.host import program

Facts = dict[str, type[FactBase[Any]]]


def cases(directory: Path) -> list[Path]:
    """The files of cases.

    + directory: that holds them
    """
    return sorted(directory.glob("*.json"))


def facts(*packages: ModuleType) -> Facts:
    """The facts that packages define, by name.

    + packages: each with all modules in it
    """
    found: Facts = {}
    for package in packages:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            names = vars(importlib.import_module(module.name))
            found |= {name: fact for name, fact in names.items() if _is_fact(fact, module.name)}
    return found


def check(case: Path, known: Facts) -> None:
    """The fact sends the command of the case, and reads the output as the case says.

    + case: its file
    + known: facts by name
    """
    expected = json.loads(case.read_text())
    fact = known[fact_name(case)]()
    command = readable(StringCommand(fact.command(**expected["arg"])).get_raw_value())
    assert matches(command, expected["command"]), f"{command!r} is not {expected['command']!r}"
    assert plain(fact.process(expected["output"])) == expected["fact"]


def matches(command: str, pattern: str) -> bool:
    """Whether a command line is as a case says.

    + command: with the names of programs
    + pattern: the case's command, with `…` for anything
    """
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), command, re.DOTALL) is not None


def fact_name(case: Path) -> str:
    """The name of the fact that a case is about.

    + case: its file
    """
    return case.stem.partition("-")[0]


def readable(command: str) -> str:
    """A command line with the names of programs in place of their text.

    + command: as a host runs it
    """
    for path in program.PROGRAMS.glob("*.sh"):
        text = StringCommand(QuoteString(program.text(path.name))).get_raw_value()
        command = command.replace(text, f"@{path.name}")
    return command


def plain(value: Any) -> Any:
    """A value in the words of JSON.

    + value: of a fact
    """
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: plain(element) for key, element in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(element) for element in value]
    if isinstance(value, frozenset):
        return sorted(plain(element) for element in value)
    if isinstance(value, datetime):
        return str(value)
    return value


def _is_fact(value: object, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, FactBase) and value.__module__ == module
