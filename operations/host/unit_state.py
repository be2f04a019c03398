"""The state of units and of their files, as far as steps depend on it.

pyinfra has one fact for each property of a unit, and each fact costs a systemctl. `Units` reads all properties of several
units at once.
"""

from collections.abc import Mapping, Sequence
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
    "InactiveExitTimestampMonotonic",
    "ExecMainStartTimestamp",
    "ExecMainStartTimestampMonotonic",
)

_SECOND = 10**9

# Nanoseconds. A run knows an older reading of the clock than the times of files that it has just written.
_TOLERANCE = 300 * _SECOND


# The log of how full the machine's file systems are, and the timer that writes it (operations/disk_log.py).
DISK_LOG = "/var/lib/deploy/disk.log"
DISK_LOG_TIMER = "deploy-disk-log.timer"

# Units of every machine, with the clusters of its PostgreSQL. One systemctl reads them together: it costs more than most
# facts, whatever the number of units.
_MACHINE = (
    "systemd-journald.service",
    "deploy-ports.service",
    "nftables.service",
    "epmd.socket",
    "postgresql.service",
    "postgresql@*.service",
    "nginx.service",
    DISK_LOG_TIMER,
)


class Units(FactBase[dict[str, dict[str, str]]]):
    """Properties of units in systemd's memory, by unit and by property, with times in UTC.

    systemd holds units that run, have failed, or are wanted by a running unit, such as those that start at boot.
    """

    @staticmethod
    @override
    def default() -> dict[str, dict[str, str]]:
        return {}

    @override
    def command(self, units: Sequence[str]) -> StringCommand:
        # Patterns, because systemd would read the file of a unit that is asked for by its name. Without --all systemd 252
        # leaves out units that do not run.
        patterns = [QuoteString(f"{unit[:-1]}[{unit[-1]}]") for unit in units]
        return StringCommand("systemctl show --all --timestamp=us+utc --property", ",".join(_PROPERTIES), *patterns)

    @override
    def process(self, output: list[str]) -> dict[str, dict[str, str]]:
        blocks = "\n".join(line.strip() for line in output).split("\n\n")
        units = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
        # A wanted unit without a file is left out.
        return {unit["Id"]: unit for unit in units if unit.get("LoadState", "not-found") != "not-found"}


class Times(NamedTuple):
    """Times of a file, in nanoseconds since 1970.

    + changed: last status change (ctime); nobody can set it back
    + modified: last modification (mtime); programs can set it
    """

    changed: int
    modified: int


class FileTimes(FactBase[dict[str, Times]]):
    """The times of the existing files among `paths`. Links are not followed."""

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


class Clock(NamedTuple):
    """The time on a host, in nanoseconds.

    + now: since 1970, by the time of day, which people and programs set
    + uptime: by the clock that nobody sets; None where the machine does not show it, as in some containers
    """

    now: int
    uptime: int | None

    def is_ahead(self, time: int) -> bool:
        """Whether a time is one that has not come yet, because the time of day was set back.

        + time: in nanoseconds since 1970
        """
        return time > self.now + _TOLERANCE


class HostClock(FactBase[Clock]):
    """The time on a host."""

    @override
    def command(self) -> StringCommand:
        return StringCommand(
            "date +%s%N; sed -n 's/^now at \\([0-9]*\\) nsecs$/\\1/p; 3q' /proc/timer_list 2>/dev/null || true"
        )

    @override
    def process(self, output: list[str]) -> Clock:
        return Clock(int(output[0]), int(output[1]) if len(output) > 1 else None)


def properties(unit: str) -> dict[str, str]:
    """The properties of a unit, as in `Units`; empty if systemd does not hold the unit.

    + unit: its name with its suffix
    """
    return _with_others(unit).get(unit, {})


def _with_others(unit: str) -> dict[str, dict[str, str]]:
    return host.get_fact(Units, units=_MACHINE if unit in _MACHINE else (unit,))


def is_running(unit: dict[str, str]) -> bool:
    """Whether the unit runs, as `systemctl is-active` decides it.

    + unit: its `properties`
    """
    return unit.get("ActiveState") in {"active", "reloading"}


# What a unit is after its process ended by itself: given up by systemd, or about to be started once more.
HAS_FAILED = frozenset({"failed", "activating"})


def is_enabled(unit: dict[str, str]) -> bool:
    """Whether the unit starts at boot or, if static, with the units that want it.

    + unit: its `properties`
    """
    return unit.get("UnitFileState") in {"enabled", "static"}


def down(service: str) -> list[str]:
    """The service and its instances, as far as they do not run. PostgreSQL's clusters are such instances."""
    units = _with_others(service)
    instances = [name for name in units.get(service, {}).get("Wants", "").split() if "@" in name]
    return [name for name in (service, *instances) if not is_running(units.get(name, {}))]


def changed_since(start: str, unit: Mapping[str, str], files: Mapping[str, Times], clock: Clock) -> list[str]:
    """The files that have changed since a start; none if the time of the start is unknown.

    If the time of day was set back since then, the start gets the time that it has by today's: files that changed afterwards
    have earlier times than systemd's. A file from before may then count as changed, which costs one restart.

    + start: property of the unit with the time of the start
    + unit: its `properties`
    + files: times by path
    + clock: of the host
    """
    if not unit.get(start):
        return []
    moment, by_today = _starts(start, unit, clock)
    if by_today is not None and by_today < moment - _TOLERANCE:
        moment = by_today
    return [path for path, times in files.items() if times.changed > moment]


def was_set_forward(start: str, unit: Mapping[str, str], clock: Clock) -> bool:
    """Whether the time of day was set forward since a start: what happened since then has later times by today's clock.

    + start: property of the unit with the time of the start
    + unit: its `properties`
    + clock: of the host
    """
    if not unit.get(start):
        return False
    moment, by_today = _starts(start, unit, clock)
    return by_today is not None and by_today > moment + _TOLERANCE


def _starts(start: str, unit: Mapping[str, str], clock: Clock) -> tuple[int, int | None]:
    """The time of a start as systemd has it, and the one that it has by today's clock, if that is known."""
    uptime = int(unit.get(f"{start}Monotonic") or 0) * 1000
    by_today = clock.now - (clock.uptime - uptime) if uptime and clock.uptime is not None else None
    return _nanoseconds(unit[start]), by_today


def _nanoseconds(timestamp: str) -> int:
    """Reads `Thu 2026-11-26 06:54:41.123456 UTC`, systemd's form. The day's name is ignored: it depends on the locale."""
    _, day, time, _ = timestamp.split()
    moment = datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=UTC)
    return int(moment.timestamp()) * _SECOND + moment.microsecond * 1000
