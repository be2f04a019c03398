"""Run an Elixir expression in the running node.

The host's users see its text on the process list meanwhile: write no secret into it.

Exit code: that of the command on the host. 1: also when it cannot be run, and standard error says why.
"""

import click

from commands import options
from commands.remote import become_ssh, targets
from inspection.probe import in_release


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> None:
    """Run it."""
    if not expression:
        raise click.UsageError("Say what to run: make rpc ENV=stage EXPR='IO.puts(node())'", ctx)
    [(host, chosen), *_] = targets([environment])
    become_ssh(host, in_release(chosen, chosen.tool.rpc, expression))


if __name__ == "__main__":
    command()
