"""What systemd and the disk say of units and of the files they read, as far as steps decide by it.

pyinfra has a fact for each thing one can ask of a unit, and each costs a systemctl. One tells all that is asked here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "DropInPaths",
    "Wants",
    "InactiveExitTimestamp",
    "ExecMainStartTimestamp",
)

_SECOND = 10**9


class UnitState(FactBase[dict[str, str]]):
    """Properties of a unit that systemd holds in memory, by name, with times in UTC; none of one that it does not.

    It holds those that run, have failed, or are wanted by something that runs, as one that starts at boot.
    """

    @staticmethod
    @override
    def default() -> dict[str, str]:
        return {}

    @override
    def command(self, unit: str) -> StringCommand:
        # A pattern: of a unit that it is asked for by name, systemd reads the file. With --all, without which systemd 252
        # leaves out one that does not run.
        pattern = f"{unit[:-1]}[{unit[-1]}]"
        return StringCommand(
            "systemctl show --all --timestamp=us+utc --property", ",".join(_PROPERTIES), QuoteString(pattern)
        )

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        properties = dict(line.split("=", 1) for line in output if "=" in line)
        # Wanted, and no file.
        return {} if properties.get("LoadState") == "not-found" else properties


class Times(NamedTuple):
    """Of a file, in nanoseconds since 1970.

    + changed: its last status change (ctime), which nobody can set back
    + modified: its last modification (mtime), as it was set
    """

    changed: int
    modified: int


class FileTimes(FactBase[dict[str, Times]]):
    """The times of those of `paths` that are there, links not followed."""

    @staticmethod
    @override
    def default() -> dict[str, Times]:
        return {}

    @override
    def command(self, paths: Sequence[str]) -> StringCommand:
        quoted = [QuoteString(path) for path in paths]
        return StringCommand("stat --format '%.9Z %.9Y %n'", *quoted, "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> dict[str, Times]:
        lines = [line.split(" ", 2) for line in output]
        return {path: Times(*(int(time.replace(".", "")) for time in times)) for *times, path in lines}


def is_running(unit: dict[str, str]) -> bool:
    """What `systemctl is-active` says.

    + unit: as `UnitState` tells
    """
    return unit.get("ActiveState") in {"active", "reloading"}


def is_enabled(unit: dict[str, str]) -> bool:
    """Whether it starts at boot, or (static) when others want it.

    + unit: as `UnitState` tells
    """
    return unit.get("UnitFileState") in {"enabled", "static"}


def down(service: str) -> list[str]:
    """The service and those of its instances that do not run: PostgreSQL's clusters are instances of their own."""
    unit = host.get_fact(UnitState, unit=service)
    instances = [name for name in unit.get("Wants", "").split() if "@" in name]
    states = {service: unit} | {name: host.get_fact(UnitState, unit=name) for name in instances}
    return [name for name, state in states.items() if not is_running(state)]


def changed_since(start: str, files: dict[str, Times]) -> list[str]:
    """Which of the files have changed since then; none if it is not known when that was.

    + start: a time as `UnitState` tells it, or nothing
    + files: their times by path
    """
    if not start:
        return []
    moment = _nanoseconds(start)
    return [path for path, times in files.items() if times.changed > moment]


def _nanoseconds(timestamp: str) -> int:
    """What systemd writes as `Thu 2026-11-26 06:54:41.123456 UTC`; the day's name is left out, which a locale may change."""
    _, day, time, _ = timestamp.split()
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    return int(moment.timestamp()) * _SECOND + moment.microsecond * 1000
