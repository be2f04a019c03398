"""A machine's control groups may appear and disappear while they are read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox import cgroups


def test_a_group_that_is_gone_before_it_is_read_counts_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "sandbox-0"
    (group / "payload" / "session-c1.scope").mkdir(parents=True)
    scan = os.scandir

    def late(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "session-c1.scope":
            Path(path).rmdir()
        return scan(path)

    monkeypatch.setattr(os, "scandir", late)
    assert cgroups.leader(group) is None
    assert [path.name for path in (group / "payload").iterdir()] == []
