"""What an interruption does to a run of pyinfra."""

import signal

import click


def ends_the_run() -> None:
    """From now on Ctrl-C ends pyinfra at once and by its signal: shells and scripts see 130, never a success.

    pyinfra's own handler exits with 0; where gevent happens to wait it ends in a traceback, or is lost and the run hangs
    (seen with 3.10). Does nothing where another command than pyinfra reads the inventory.
    """
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations"):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
