"""Evaluate an Elixir expression beside the running node.

It runs in a VM of its own, which gets the variables, the sandbox and the limits of the application, and ends after
task_timeout. The application is loaded, and not started. The expression ends with this command: Ctrl-C and a lost
connection stop it on the host.

No user of the host can read the expression, in no list of processes and no log. On this computer they can read EXPR in
its list of processes: a secret goes into a file, `make task ENV=stage < FILE`.

Exit code: that of the VM. 1: also if it cannot run there or the connection is lost, and standard error says why.
"""

import click

from commands import beside, options, text


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> int:
    """Evaluate the expression and wait for it."""
    given = text.given(ctx, expression, "make task ENV=stage EXPR='IO.puts(1 + 1)'")
    return beside.run(environment, given, "expression")


if __name__ == "__main__":
    command()
