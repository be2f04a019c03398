"""Takes away from pyinfra's output what nobody asked for: a warning about itself, its words about a lost connection,
tracebacks about this computer's files, and colours where NO_COLOR is set.
"""

import logging
import os

import click
from pyinfra import logger

from preflight import loss, own_computer, screen

# pyinfra/operations/files.py logs this at each use of `files.block`.
BETA = "The `files.block` operation is currently in beta!"


def _worth_reading(record: logging.LogRecord) -> bool:
    return record.msg != BETA


def silence() -> None:
    """Hide these lines, and with NO_COLOR all styles. A second call changes nothing."""
    logger.addFilter(_worth_reading)
    loss.announce_at_end()
    screen.quieten()
    own_computer.explain()
    if os.environ.get("NO_COLOR"):
        # click asks this of every text. Its own setting is one of a context, which pyinfra's greenlets do not have.
        click.utils.should_strip_ansi = lambda *_: True  # type: ignore[attr-defined]
