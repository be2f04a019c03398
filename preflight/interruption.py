"""The effect of Ctrl-C, and of a reader that goes away, on a command that waits for hosts."""

import signal
from pathlib import Path

import click

from preflight.options import option


def end_process() -> None:
    """From now on Ctrl-C ends this process at once and by its signal: shells and scripts see 130, never a success.

    Only for commands that write nothing on this computer. Python's own way shows a traceback in gevent, or waits for a host
    that hangs.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_process_on_closed_output() -> None:
    """From now on output to a reader that is gone, such as `head`, ends this process without a traceback.

    Only after the last question to a host: a connection that breaks would end the process, too.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def end_pyinfra() -> None:
    """From now on Ctrl-C ends pyinfra at once. Its own handler exits with 0, shows a traceback or hangs (seen with 3.10).

    Creates the file of the option READY, if it is set. A pyinfra without this file was interrupted before and did nothing.
    """
    end_process()
    if ready := option("READY"):
        Path(ready).touch()


def end_pyinfra_of_command_line() -> None:
    """`end_pyinfra` for an inventory. Does nothing if another command than pyinfra reads the inventory."""
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations"):
        end_pyinfra()
