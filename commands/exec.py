"""Run a line of shell in the sandbox of the application.

It runs in the directory of the release, as the application's user, with its variables and its limits, and sees what the
application sees. It ends after task_timeout, and with this command: Ctrl-C and a lost connection stop it on the host.

Local users of the host can read the line in the process list: write no secret into it. No log has it.

Exit code: that of the line. 1: also if it cannot run there or the connection is lost, and standard error says why.
"""

import click

from commands import beside, options


@options.command(__doc__)
@options.environment
@click.argument("line", metavar="CMD", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, line: str | None) -> int:
    """Run the line and wait for it."""
    if not line:
        raise click.UsageError("Say what to run: make exec ENV=stage CMD='ls lib'", ctx)
    return beside.run(environment, line, "line", is_shell=True)


if __name__ == "__main__":
    command()
