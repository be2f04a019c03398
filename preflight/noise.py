"""Hides a warning of pyinfra about itself: nobody here can act on it."""

import logging

from pyinfra import logger

# pyinfra/operations/files.py logs this at each use of `files.block`.
BETA = "The `files.block` operation is currently in beta!"


def _worth_reading(record: logging.LogRecord) -> bool:
    return record.msg != BETA


def silence() -> None:
    """Hide this one line; every other warning stays. A second call changes nothing."""
    logger.addFilter(_worth_reading)
