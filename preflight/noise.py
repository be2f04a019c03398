"""Leaves out what pyinfra says of itself and nobody here can act on."""

import logging

from pyinfra import logger

# pyinfra/operations/files.py says it whenever `files.block` is used.
BETA = "The `files.block` operation is currently in beta!"


def _worth_reading(record: logging.LogRecord) -> bool:
    return record.msg != BETA


def silence() -> None:
    """Leave out this one line; every other warning stays. Adding it twice adds it once."""
    logger.addFilter(_worth_reading)
