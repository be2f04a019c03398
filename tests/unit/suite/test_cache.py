import os
from pathlib import Path

import pytest

from tests.sandbox.cache import KEPT, folder, kept


def fill(directory: Path) -> None:
    (directory / "file").touch()


def test_an_entry_that_another_run_makes_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    making = folder() / "thing-0.new"
    making.mkdir()
    os.utime(making, (0, 0))
    for source in range(KEPT + 1):
        kept("thing", [str(source)], fill)
    assert making.is_dir()


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = [kept("thing", [str(source)], fill) for source in range(KEPT + 1)]
    assert [path.is_dir() for path in made] == [False, *[True] * KEPT]
