import os
from pathlib import Path

import pytest

from tests.sandbox import cache
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
    made = [by_another_process(source) for source in range(KEPT + 1)]
    assert [path.is_dir() for path in made] == [False, *[True] * KEPT]


def test_what_a_process_uses_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the disk that a machine runs from, while others try newer versions."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = kept("thing", ["used"], fill)
    made = [by_another_process(source) for source in range(KEPT + 1)]
    assert [path.is_dir() for path in (first, *made)] == [True, False, *[True] * KEPT]
    del cache._used[first]
    by_another_process(KEPT + 1)
    assert not first.is_dir()


def by_another_process(source: int) -> Path:
    """What it makes; it has ended then."""
    made = kept("thing", [str(source)], fill)
    del cache._used[made]
    return made
