"""What Ctrl-C, and a reader that goes away, do to a command that waits for hosts."""

import signal
from pathlib import Path

import click

from preflight.options import option


def end_process() -> None:
    """From now on Ctrl-C ends this process at once and by its signal: shells and scripts see 130, never a success.

    For what writes nothing here. Where gevent happens to wait, Python's own way shows a traceback, or waits on for a host
    that hangs.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_process_on_closed_output() -> None:
    """From now on writing to a reader that is gone, such as `head`, ends this process without a traceback.

    For when no host is asked any more: a connection that breaks would end it, too.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def end_pyinfra() -> None:
    """The same for pyinfra, whose own handler exits with 0, shows a traceback or hangs (seen with 3.10).

    Makes the file that the option READY names, if any: a pyinfra without it was interrupted before, and did nothing.
    """
    end_process()
    if ready := option("READY"):
        Path(ready).touch()


def end_pyinfra_of_command_line() -> None:
    """The same, for an inventory: does nothing where another command than pyinfra reads it."""
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations"):
        end_pyinfra()
