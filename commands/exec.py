"""Run a line of shell in the sandbox of the application.

It runs in the directory of the release, as the application's user, with its variables and its limits, and sees what the
application sees. It ends after task_timeout, and with this command: Ctrl-C and a lost connection stop it on the host.

No user of the host can read the line, in no list of processes and no log; arguments of the programs that it starts they
can. On this computer they can read CMD in its list of processes: a secret goes into a file, `make exec ENV=stage < FILE`.

Exit code: that of the line. 1: also if it cannot run there or the connection is lost, and standard error says why.
"""

import click

from commands import beside, options, text


@options.command(__doc__)
@options.environment
@click.argument("line", metavar="CMD", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, line: str | None) -> int:
    """Run the line and wait for it."""
    given = text.given(ctx, line, "make exec ENV=stage CMD='ls lib'")
    return beside.run(environment, given, "line", is_shell=True)


if __name__ == "__main__":
    command()
