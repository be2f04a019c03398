"""Run Elixir in the running node, and print its value.

An expression that prints something itself, by a function of IO, prints nothing more.

No user of the host can read the expression, in no list of processes and no log. On this computer they can read EXPR in
its list of processes: a secret goes into a file, `make rpc ENV=stage < FILE`.

Exit code: that of the command on the host. 1: also if it cannot run there or the connection is lost, and standard error
says why.
"""

import click

from commands import options, text
from commands.remote import targets, wait_for_ssh
from inspection.probe import evaluation


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> int:
    """Run the expression."""
    given = text.given(ctx, expression, "make rpc ENV=stage EXPR='IO.puts(node())'")
    [(host, chosen), *_] = targets([environment])
    goes_on = f"The expression may go on in the node: make logs ENV={chosen.environment} shows what it logs."
    elixir = with_value(given) if chosen.release_tool == "mix" else given
    # Without the NUL byte the host takes it for the half of a text.
    return wait_for_ssh(host, evaluation(chosen), goes_on, text=f"{elixir}\0")


def with_value(expression: str) -> str:
    """The expression, so that it prints its value unless it prints something itself.

    + expression: Elixir, of one line or several
    """
    # The line's end ends a comment. A release's own rpc throws the value away.
    return expression if "IO." in expression else f"IO.inspect((\n{expression}\n), pretty: true, limit: 500)"


if __name__ == "__main__":
    command()
