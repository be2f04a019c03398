"""Reading of answers from systemd and the disk."""

import pytest

from operations.host.unit_state import Times, Units, changed_since, is_enabled, is_running

# 2026-11-26 06:54:41 UTC, in nanoseconds since 1970.
START = 1_795_676_081 * 10**9


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
    assert changed_since(start, files) == changed
