import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.programs.stubs import StubHost

MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where that is possible. The programs wait for the disk after each step, and other tests keep it busy."""
    if os.access(MEMORY, os.W_OK) and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        with tempfile.TemporaryDirectory(dir=MEMORY) as directory:
            yield Path(directory)
    else:
        yield tmp_path


@pytest.fixture
def stub_host(tmp_path: Path) -> Callable[..., StubHost]:
    """Makes a host on which 0.1.0 runs, with these settings of group data."""

    def make(**settings: object) -> StubHost:
        path = tmp_path / f"host{len(list(tmp_path.iterdir()))}"
        path.mkdir()
        return StubHost(path, **settings)

    return make


@pytest.fixture
def host(stub_host: Callable[..., StubHost]) -> StubHost:
    """A host on which 0.1.0 runs."""
    return stub_host()


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """An empty place for programs to run in."""
    return Sandbox(tmp_path)
