"""One line of pyinfra is left out, and no other."""

import inspect
import logging
from collections.abc import Iterator

import pytest
from pyinfra import logger
from pyinfra.operations import files

from preflight import noise


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What pyinfra logs after the one line is silenced, twice as reading the inventory does."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    noise.silence()
    noise.silence()
    yield lines
    logger.removeHandler(handler)


def test_every_other_warning_stays(heard: list[str]) -> None:
    logger.warning(noise.BETA)
    logger.warning("The @podmanssh connector is in beta!")
    logger.warning("%s is deprecated", "it")
    assert heard == ["The @podmanssh connector is in beta!", "it is deprecated"]


def test_pyinfra_still_says_it() -> None:
    """Otherwise the module can go."""
    assert f'logger.warning("{noise.BETA}")' in inspect.getsource(files.block)
