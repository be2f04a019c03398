"""Open a shell in the running node.

Exit code: that of the shell. 1: also if the shell cannot be opened or the connection is lost, and standard error
says why.
"""

import sys

import click

from commands import options
from commands.remote import targets, wait_for_ssh
from inspection.probe import in_release


@options.command(__doc__)
@options.environment
def command(environment: str) -> int:
    """Open the shell."""
    if not sys.stdin.isatty():
        # The shell runs in the node. The end of its input would end the node (seen with OTP 27).
        text = f"a console needs a terminal: make rpc ENV={environment} EXPR='…' runs one expression"
        click.echo(text, err=True)
        return 1
    [(host, chosen), *_] = targets([environment])
    goes_on = f"The node goes on without this shell: make ping ENV={chosen.environment} asks it."
    return wait_for_ssh(host, in_release(chosen, chosen.tool.console, terminal=True), goes_on, terminal=True)


if __name__ == "__main__":
    command()
