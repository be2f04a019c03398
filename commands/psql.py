"""Open psql on the application's database, as its role.

If standard input is no terminal, it runs the SQL there. psql runs in the sandbox of the application. The machine's own
PostgreSQL asks for no password. One that is managed elsewhere asks for it: `make vault-show ENV=stage
KEY=database_password` prints it.

Exit code: that of psql; 3: a statement of standard input failed, and the ones after it did not run. 1: also if psql cannot
run or the connection is lost, and standard error says why.
"""

import sys

import click

from commands import options
from commands.remote import targets, wait_for_ssh
from group_data.schema.environment import Environment
from inspection.login import connection
from operations.host import program


@options.command(__doc__)
@options.environment
def command(environment: str) -> int:
    """Open psql, or run the SQL."""
    [(host, chosen), *_] = targets([environment])
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not terminal and not chosen.database_managed:
        text = f"{chosen.database_host} asks for a password, and only a terminal can give it: run make psql in one"
        click.echo(text, err=True)
        return 1
    goes_on = (
        f"PostgreSQL ends what psql was at, unless it had ended: make psql ENV={chosen.environment} connects again."
    )
    return wait_for_ssh(host, words(chosen, terminal=terminal), goes_on, terminal=terminal)


def words(environment: Environment, *, terminal: bool) -> list[str]:
    """The argument list that runs psql on the host.

    + environment: whose database it is
    + terminal: whether psql gets a terminal
    """
    mode = "terminal" if terminal else ""
    arguments = program.words("psql.sh", environment.unit_path, mode, connection(environment, socket=True))
    return ["sudo", "-n", *arguments]


if __name__ == "__main__":
    command()
