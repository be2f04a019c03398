from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    """A host with 0.1.0 running and 0.2.0 unpacked, which has one migration more; with some settings changed."""

    def make(**settings: Any) -> World:
        world = World(tmp_path, **settings)
        world.unpack("0.1.0", FIRST)
        world.unpack("0.2.0", FIRST, SECOND)
        world.runs("0.1.0", FIRST)
        return world

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A host with 0.1.0 running and 0.2.0 unpacked, which has one migration more."""
    return make_world()
