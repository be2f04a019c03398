"""The list of releases fits a terminal of 80 columns, and names the other environments that have the same tarball."""

import pytest

from commands import releases as command
from commands.releases import elsewhere, everything
from operations.release.history import Releases, Revision


@pytest.mark.parametrize(
    ("version", "lines"), [("0.2.0", 1), ("0.2.0+20261122-main-6bfed7e", 2)], ids=["short", "with its stamp"]
)
def test_the_log_fits_the_terminal(capsys: pytest.CaptureFixture[str], version: str, lines: int) -> None:
    revision = Revision("2026-01-01T00:00:00Z", "ann@desk", "release", version, "6bfed7e" * 5, "good", "12")
    command._print("stage", Releases(version, {version: ""}, [revision]), {version: {}})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 + lines
    assert max(map(len, shown)) <= command.COLUMNS
    assert f"2026-01-01T00:00:00Z  release {version}: good" in shown[2]
    assert shown[-1].endswith("  (ann@desk, 6bfed7e, 12 s)")


def test_a_failure_has_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        Revision("2026-01-01T00:00:00Z", "ann@desk", "restart", "", "-", "failed", "1"),
        Revision(
            "2026-01-02T00:00:00Z", "ann@desk", "restart", "0.2.0", "-", "failed", "9", "/health answered 503 " * 5
        ),
    ]
    command._print("stage", Releases("0.2.0", {"0.2.0": ""}, lines), {"0.2.0": {}})
    shown = capsys.readouterr().out
    assert "restart 0.2.0: failed" in shown
    assert "\n                          /health answered 503 /health" in shown
    assert "restart (no release): failed" in shown
    assert max(map(len, shown.splitlines())) <= command.COLUMNS


def releases(current: str, present: dict[str, str], *outcomes: str) -> Releases:
    revisions = [
        Revision("2026", "me", "release", *(pair.split("=")[0], "-", pair.split("=")[1]), "1") for pair in outcomes
    ]
    return Releases(current, present, revisions)


TOLD = {
    "stage": releases("3", {"1": "a", "2": "b", "3": "c", "4": ""}, "1=good", "2=good", "3=good"),
    "prod": releases("1", {"1": "a", "2": "other", "3": "c", "4": ""}, "3=failed", "1=good"),
    "qa": releases("3", {"3": "c"}, "3=good"),
}


def test_the_same_tarball_is_named_with_its_state() -> None:
    assert elsewhere("stage", TOLD) == {"1": {"prod": "runs"}, "2": {}, "3": {"prod": "failed", "qa": "runs"}, "4": {}}
    assert elsewhere("qa", TOLD) == {"3": {"stage": "runs", "prod": "failed"}}


def test_json_has_it_too() -> None:
    shown = everything(TOLD["prod"], elsewhere("prod", TOLD))
    assert shown["releases"] == [
        {"version": "1", "state": "good", "elsewhere": {"stage": "good"}},
        {"version": "2", "state": "new", "elsewhere": {}},
        {"version": "3", "state": "failed", "elsewhere": {"stage": "runs", "qa": "runs"}},
        {"version": "4", "state": "new", "elsewhere": {}},
    ]
