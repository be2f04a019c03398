"""One line of pyinfra is hidden, and no other; with NO_COLOR nothing is styled."""

import inspect
import logging
import sys
from collections.abc import Iterator

import pytest
from pyinfra import logger
from pyinfra.operations import files

from group_data.schema.paths import CHECKOUT
from preflight import noise
from tests.host.terminal import terminal

# As pyinfra shows a line about a host: in a greenlet, where click has no context.
STYLED = """
import click, gevent.monkey
gevent.monkey.patch_all()
from preflight import noise
noise.silence()
with click.Context(click.Command("pyinfra")):
    gevent.spawn(click.secho, "a styled word", fg="red", bold=True).join()
"""


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


@pytest.mark.parametrize(("variables", "styled"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["", "NO_COLOR"])
def test_no_color_takes_the_styles_away(variables: dict[str, str], *, styled: bool) -> None:
    with terminal([sys.executable, "-c", STYLED], CHECKOUT, **variables) as run:
        output = run.finish().output
    assert ("a styled word" in output, "\x1b" in output) == (True, styled), output
