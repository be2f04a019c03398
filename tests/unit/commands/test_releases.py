"""The list of releases on a terminal of 80 columns."""

import pytest

from commands import releases
from operations.release.history import Releases, Revision


@pytest.mark.parametrize(
    ("version", "lines"), [("0.2.0", 1), ("0.2.0+20261122-main-6bfed7e", 2)], ids=["short", "with its stamp"]
)
def test_the_log_fits_the_terminal(capsys: pytest.CaptureFixture[str], version: str, lines: int) -> None:
    revision = Revision("2026-01-01T00:00:00Z", "ann@desk", "release", version, "6bfed7e" * 5, "good", "12")
    releases._print("stage", Releases(version, {version: ""}, [revision]))
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 2 + lines
    assert max(map(len, shown)) <= releases.COLUMNS
    assert f"2026-01-01T00:00:00Z  release {version}: good" in shown[2]
    assert shown[-1].endswith("  (ann@desk, 6bfed7e, 12 s)")
