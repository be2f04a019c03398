"""Writes input files for the programs of a machine, and reads their output, without a process for each file."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.inputs.text import PWNED
from tests.sandbox.machine import Machine


def inside(machine: Machine, path: str) -> Path:
    """The path on this computer of an absolute path of the machine."""
    return Path(f"/proc/{machine.pid}/root{path}")


def put(machine: Machine, files: Mapping[str, str]) -> None:
    """Write text to absolute paths of the machine. Everybody may read the files."""
    for path, text in files.items():
        target = inside(machine, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())


def fresh(machine: Machine, directory: str) -> Path:
    """An empty directory of the machine."""
    path = inside(machine, directory)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def ran(machine: Machine) -> list[str]:
    """A complaint if data was run as a program."""
    planted = inside(machine, PWNED)
    if not planted.exists():
        return []
    planted.unlink()
    return [f"{PWNED} is there: a value was run as a command"]
