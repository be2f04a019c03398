from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.programs.stubs import StubHost


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
