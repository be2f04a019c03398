"""Open a shell in the running node.

Exit code: that of the shell. 1: it cannot be opened, and standard error says why.
"""

import sys

import click

from commands import options
from commands.remote import become_ssh, targets
from inspection.probe import in_release


@options.command(__doc__)
@options.environment
@click.pass_context
def command(ctx: click.Context, environment: str) -> None:
    """Open it."""
    if not sys.stdin.isatty():
        # The shell runs in the node, and the end of its input would be the end of the node (seen with OTP 27).
        text = f"a console needs a terminal: make rpc ENV={environment} EXPR='…' runs one expression"
        click.echo(text, err=True)
        ctx.exit(1)
    [(host, chosen), *_] = targets([environment])
    become_ssh(host, in_release(chosen, chosen.tool.console), terminal=True)


if __name__ == "__main__":
    command()
