"""What systemd and the disk say of units and of the files they read, as far as steps decide by it.

pyinfra has a fact for each thing one can ask of a unit, and each costs a systemctl. One tells all that is asked here, of
several units at once.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

_PROPERTIES = (
    "Id",
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


# Of every machine, and the clusters of its PostgreSQL. Asked for together: a systemctl costs more than most facts, whatever
# the number of units.
_MACHINE = ("systemd-journald.service", "epmd.socket", "postgresql.service", "postgresql@*.service", "nginx.service")


class Units(FactBase[dict[str, dict[str, str]]]):
    """Properties of units that systemd holds in memory, by the unit's name and by theirs, with times in UTC.

    It holds those that run, have failed, or are wanted by something that runs, as one that starts at boot.
    """

    @staticmethod
    @override
    def default() -> dict[str, dict[str, str]]:
        return {}

    @override
    def command(self, units: Sequence[str]) -> StringCommand:
        # Patterns: of a unit that it is asked for by name, systemd reads the file. With --all, without which systemd 252
        # leaves out one that does not run.
        patterns = [QuoteString(f"{unit[:-1]}[{unit[-1]}]") for unit in units]
        return StringCommand("systemctl show --all --timestamp=us+utc --property", ",".join(_PROPERTIES), *patterns)

    @override
    def process(self, output: list[str]) -> dict[str, dict[str, str]]:
        blocks = "\n".join(line.strip() for line in output).split("\n\n")
        units = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
        # Wanted, and no file.
        return {unit["Id"]: unit for unit in units if unit.get("LoadState", "not-found") != "not-found"}


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


def properties(unit: str) -> dict[str, str]:
    """What systemd holds of a unit, as `Units` tells; nothing of one that it does not hold.

    + unit: its name with its suffix
    """
    return _with_others(unit).get(unit, {})


def _with_others(unit: str) -> dict[str, dict[str, str]]:
    return host.get_fact(Units, units=_MACHINE if unit in _MACHINE else (unit,))


def is_running(unit: dict[str, str]) -> bool:
    """What `systemctl is-active` says.

    + unit: its `properties`
    """
    return unit.get("ActiveState") in {"active", "reloading"}


def is_enabled(unit: dict[str, str]) -> bool:
    """Whether it starts at boot, or (static) when others want it.

    + unit: its `properties`
    """
    return unit.get("UnitFileState") in {"enabled", "static"}


def down(service: str) -> list[str]:
    """A machine's service and those of its instances that do not run: PostgreSQL's clusters are instances of their own."""
    units = _with_others(service)
    instances = [name for name in units.get(service, {}).get("Wants", "").split() if "@" in name]
    return [name for name in (service, *instances) if not is_running(units.get(name, {}))]


def changed_since(start: str, files: dict[str, Times]) -> list[str]:
    """Which of the files have changed since then; none if it is not known when that was.

    + start: a time as `Units` tells it, or nothing
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
