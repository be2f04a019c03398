"""Reading of answers from systemd and the disk."""

import pytest

from operations.host.unit_state import Clock, Times, Units, changed_since, is_enabled, is_running

# 2026-11-26 06:54:41 UTC, in nanoseconds since 1970.
START = 1_795_676_081 * 10**9

MINUTE = 60 * 10**9


def test_properties_of_units() -> None:
    units = Units().process(
        [
            "ActiveState=reloading",
            "Id=a.service",
            "LoadState=loaded",
            "UnitFileState=enabled",
            "DropInPaths=/a=b",
            "",
            "Id=b.service",
            "LoadState=loaded",
            "ActiveState=inactive",
        ]
    )
    assert units["a.service"]["DropInPaths"] == "/a=b"
    assert [is_running(units[name]) for name in ("a.service", "b.service")] == [True, False]
    assert [is_enabled(units[name]) for name in ("a.service", "b.service")] == [True, False]


@pytest.mark.parametrize(
    "output", [[], [""], ["Id=a.service", "LoadState=not-found", "ActiveState=active", "UnitFileState=enabled"]]
)
def test_a_unit_without_a_file_is_left_out(output: list[str]) -> None:
    assert Units().process(output) == {}
    assert not is_running({})
    assert not is_enabled({})


@pytest.mark.parametrize(
    ("start", "changed"),
    [
        ("Thu 2026-11-26 06:54:41 UTC", ["after"]),
        ("Do 2026-11-26 06:54:40.999999 UTC", ["then", "after"]),
        ("Thu 2026-11-26 06:54:41.000001 UTC", []),
        ("", []),
    ],
)
def test_files_that_changed_since(start: str, changed: list[str]) -> None:
    files = {"then": Times(START, START + 10**12), "after": Times(START + 1, 0)}
    unit = {"InactiveExitTimestamp": start, "InactiveExitTimestampMonotonic": "5000000"}
    for uptime in (None, 65 * 10**9):
        assert changed_since("InactiveExitTimestamp", unit, files, Clock(START + MINUTE, uptime)) == changed


@pytest.mark.parametrize(
    ("step", "changed"),
    [(-60, ["before", "since"]), (0, ["since"]), (24 * 60, ["since"])],
    ids=["an hour back", "not set", "a day ahead"],
)
def test_the_clock_was_set_since_the_start(step: int, changed: list[str]) -> None:
    """The process began 90 minutes after its machine; its files changed 30 minutes before that and after it."""
    unit = {
        "ExecMainStartTimestamp": "Thu 2026-11-26 06:54:41 UTC",
        "ExecMainStartTimestampMonotonic": f"{90 * 60 * 10**6}",
    }
    clock = Clock(START + (40 + step) * MINUTE, (90 + 40) * MINUTE)
    files = {"before": Times(START - 30 * MINUTE, 0), "since": Times(START + (30 + step) * MINUTE, 0)}
    found = changed_since("ExecMainStartTimestamp", unit, files, clock)
    assert found == changed


def test_a_time_that_has_not_come() -> None:
    clock = Clock(START, None)
    assert [clock.is_ahead(START + ahead) for ahead in (-MINUTE, 10**9, 60 * MINUTE)] == [False, False, True]
