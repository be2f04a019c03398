"""Evaluate an Elixir expression beside the running node.

It runs in a VM of its own, which gets the variables, the sandbox and the limits of the application, and ends after
task_timeout. The application is loaded, and not started. The expression ends with this command: Ctrl-C and a lost
connection stop it on the host.

Local users of the host can read the expression in the process list: write no secret into it. No log has it.

Exit code: that of the VM. 1: also if it cannot run there or the connection is lost, and standard error says why.
"""

import click

from commands import beside, options


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> int:
    """Evaluate the expression and wait for it."""
    if not expression:
        raise click.UsageError("Say what to run: make task ENV=stage EXPR='IO.puts(1 + 1)'", ctx)
    return beside.run(environment, expression, "expression")


if __name__ == "__main__":
    command()
