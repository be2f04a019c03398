"""Make strong secrets for those that are missing.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted, and the vault is as it was.
"""

import click

from commands import options
from commands.vault_places import place
from vault import upkeep


@options.command(__doc__, options.VaultCommand)
@options.environment
@click.option("--yes", is_flag=True, help="Even when it shuts you out: recipients.txt names no key you can use.")
def command(environment: str, yes: bool) -> None:
    """Do it."""
    click.echo(upkeep.init(place(environment), shut_out=yes))


if __name__ == "__main__":
    command()
