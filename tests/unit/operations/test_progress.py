"""An upload that takes long says how far it is, where somebody looks."""

import subprocess
import sys
from pathlib import Path

import pytest

from operations.host.progress import of_upload

READS_HALF = "import os, time; os.read(0, 3_000_000); time.sleep(0.5)"


def told(path: Path) -> list[str]:
    lines: list[str] = []
    with path.open("rb") as file, of_upload(file, lines.append, pause=0.1):
        subprocess.run([sys.executable, "-c", READS_HALF], stdin=file, check=True)
    return lines


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "tarball"
    path.write_bytes(bytes(6_000_000))
    return path


def test_on_a_terminal(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert "3 of 6 MB" in told(large)


def test_not_in_a_file(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert told(large) == []


def test_not_without_colour(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert told(large) == []
