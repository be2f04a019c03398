"""A tarball is fetched under its own name, whatever a host says."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from group_data.schema.environment import Environment
from operations.release.artifacts import ArtifactsInStore
from operations.release.build import Result, _fetch
from operations.release.tarball import make_newest


class HostileHost:
    """Answers every command with the same names, and every file with the same content."""

    def __init__(self, names: str) -> None:
        self.names = names

    def run_shell_command(self, *_: object, **__: object) -> tuple[bool, Any]:
        return True, SimpleNamespace(stdout=self.names, stderr="")

    def get_file(self, _: str, path: str) -> None:
        Path(path).write_text("hostile")

    def log_styled(self, *_: object, **__: object) -> None: ...


@pytest.mark.parametrize("version", ["0.2.0", "../../x"])
@pytest.mark.parametrize("names", ["../outside", "{absolute}", ".bashrc", "", "billing-0.2.0.tar.gz"])
def test_names_of_a_host_are_no_paths(
    environment: Callable[..., Environment], tmp_path: Path, names: str, version: str
) -> None:
    place = tmp_path / "releases"
    host: Any = HostileHost(names.format(absolute=tmp_path / "absolute"))
    state: Any = None
    assert not _fetch(state, host, environment(), "/store", place, Result(version))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_fetched_tarball_is_the_newest_also_when_the_clock_was_set_back(tmp_path: Path, ahead: int) -> None:
    for name in ("billing-0.1.0.tar.gz", "billing-0.2.0.tar.gz"):
        (tmp_path / name).touch()
    later = time.time() + ahead
    os.utime(tmp_path / "billing-0.1.0.tar.gz", (later, later))
    make_newest(tmp_path / "billing-0.2.0.tar.gz")
    first, second = (path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir()))
    assert first < second


def test_a_store_has_versions_alone() -> None:
    lines = ["../../x\tsum\t1", "/abs\tsum\t1", "0.2.0\tsum\t1", "0.3.0\tsum\tmany"]
    assert [artifact.version for artifact in ArtifactsInStore().process(lines)] == ["0.2.0"]
