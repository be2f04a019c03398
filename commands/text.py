"""The text that an operator runs: an argument, or standard input, which no list of processes shows."""

import sys

import click


def given(ctx: click.Context, argument: str | None, example: str) -> str:
    """The argument, or what comes over standard input. A message asks for a missing one.

    + ctx: click's context
    + argument: as it stands on the command line
    + example: of a command line
    """
    text = argument or ("" if sys.stdin.isatty() else _read())
    if not text.strip():
        raise click.UsageError(f"Say what to run: {example}, or < FILE", ctx)
    if "\0" in text:
        raise click.UsageError("standard input holds a NUL byte, which no text has", ctx)
    return text


def _read() -> str:
    return sys.stdin.buffer.read().decode(errors="surrogateescape")
