"""Run Elixir in the running node, and print its value.

An expression that prints something itself, by a function of IO, prints nothing more.

Local users of the host can read the expression in the process list while it runs: write no secret into it. No log has it.

Exit code: that of the command on the host. 1: also if it cannot run there or the connection is lost, and standard error
says why.
"""

import click

from commands import options
from commands.remote import targets, wait_for_ssh
from inspection.probe import in_release_from_input


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> int:
    """Run the expression."""
    if not expression:
        raise click.UsageError("Say what to run: make rpc ENV=stage EXPR='IO.puts(node())'", ctx)
    [(host, chosen), *_] = targets([environment])
    goes_on = f"The expression may go on in the node: make logs ENV={chosen.environment} shows what it logs."
    text = with_value(expression) if chosen.release_tool == "mix" else expression
    return wait_for_ssh(host, in_release_from_input(chosen, chosen.tool.rpc), goes_on, text=text)


def with_value(expression: str) -> str:
    """The expression, so that it prints its value unless it prints something itself.

    + expression: Elixir, of one line or several
    """
    # The line's end ends a comment. A release's own rpc throws the value away.
    return expression if "IO." in expression else f"IO.inspect((\n{expression}\n), pretty: true, limit: 500)"


if __name__ == "__main__":
    command()
