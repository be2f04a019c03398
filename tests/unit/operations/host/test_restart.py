"""Restarts and reloads on a host whose clock was set back."""

from typing import Any

import pytest

from operations import nginx
from operations.host import restart, unit_state
from operations.host.unit_state import Clock, FileTimes, HostClock, Times, Units

# 2026-11-26 06:54:41 UTC, in nanoseconds since 1970.
NOW = 1_795_676_081 * 10**9

HOUR = 3600 * 10**9

UNIT = {
    "Id": "nginx.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "InactiveExitTimestamp": "Thu 2026-11-26 05:54:41 UTC",
    "ExecMainStartTimestamp": "Thu 2026-11-26 05:54:41 UTC",
}


class Host:
    """A host that answers facts.

    + times: of its files, as status change and modification, in hours from now on
    """

    def __init__(self, times: dict[str, tuple[int, int]]) -> None:
        self.times = {path: Times(*(NOW + hours * HOUR for hours in pair)) for path, pair in times.items()}
        self.said: list[str] = []
        self.clock = Clock(NOW, None)
        self.reloaded: list[int] = []

    def get_fact(self, fact: type, paths: list[str] | None = None, **_: object) -> Any:
        """The answer of this host."""
        if fact is FileTimes:
            return {path: self.times[path] for path in paths or () if path in self.times}
        answers: dict[type, Any] = {HostClock: self.clock, Units: {UNIT["Id"]: UNIT}, nginx.Reloaded: self.reloaded}
        return answers[fact]

    def noop(self, text: str) -> None:
        """Nothing is to do."""
        self.said.append(text)


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes operations ask this host."""

    def patch(host: Host) -> Host:
        for module in (nginx, restart, unit_state):
            monkeypatch.setattr(module, "host", host)
        monkeypatch.setattr(restart, "is_planned", lambda _: False)
        monkeypatch.setattr(restart, "announce", lambda _: None)
        return host

    return patch


def restarted(host: Host) -> list[str]:
    """The commands of the step for a service with these files."""
    commands = restart.service._inner(service="nginx.service", files=list(host.times))
    return [command.get_raw_value() for command in commands]


def test_a_service_restarts_once_for_a_file_of_a_time_that_has_not_come(patched: Any) -> None:
    host = patched(Host({"/etc/old": (-2, -2), "/etc/new": (0, 0), "/etc/ahead": (24, 24)}))
    assert restarted(host) == [
        "systemctl reset-failed nginx.service",
        "touch -a --no-create --no-dereference /etc/ahead",
        "systemctl restart nginx.service",
    ]


def test_other_files_keep_their_times(patched: Any) -> None:
    host = patched(Host({"/etc/new": (0, 0)}))
    assert restarted(host) == ["systemctl reset-failed nginx.service", "systemctl restart nginx.service"]


def test_a_service_that_is_newer_than_its_files_goes_on(patched: Any) -> None:
    host = patched(Host({"/etc/old": (-2, -2)}))
    assert (restarted(host), host.said) == ([], ["nginx.service runs what its files say"])


@pytest.mark.parametrize(
    ("loaded", "unread"),
    [(0, []), (24, ["/etc/site"]), (-2, ["/etc/site"])],
    ids=["read since", "a reload of a time that has not come", "a reload before"],
)
def test_what_nginx_has_not_read(patched: Any, loaded: int, unread: list[str]) -> None:
    """The site changed half an hour after nginx began; the last reload was at `loaded`."""
    host = patched(Host({"/etc/site": (0, 0), nginx.LOADED: (loaded, loaded)}))
    host.times["/etc/site"] = Times(NOW - HOUR // 2, NOW - HOUR // 2)
    assert nginx._unread(["/etc/site"]) == unread


@pytest.mark.parametrize(
    ("reloaded", "unread"), [(-2, ["/etc/site"]), (0, [])], ids=["before the change", "after the change"]
)
@pytest.mark.parametrize("loaded", [None, -2], ids=["never by us", "by us before"])
def test_a_reload_by_somebody_else_counts(
    patched: Any, monkeypatch: pytest.MonkeyPatch, reloaded: int, loaded: int | None, unread: list[str]
) -> None:
    """nginx began an hour ago, and the site changed half an hour ago."""
    host = patched(Host({} if loaded is None else {nginx.LOADED: (loaded, loaded)}))
    host.times["/etc/site"] = Times(NOW - HOUR // 2, NOW - HOUR // 2)
    host.reloaded = [NOW + reloaded * HOUR]
    assert nginx._unread(["/etc/site"]) == unread
    # An hour since nginx began, and two by the time of day: it may have been set after that reload.
    host.clock = Clock(NOW + HOUR, 3 * HOUR)
    monkeypatch.setitem(UNIT, "InactiveExitTimestampMonotonic", str(2 * HOUR // 1000))
    assert nginx._unread(["/etc/site"]) == ["/etc/site"]
