"""The place programs run in."""

from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """An empty place for programs to run in."""
    return Sandbox(tmp_path)
