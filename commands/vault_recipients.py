"""Encrypt all vaults for vault/recipients.txt.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted.
"""

import click

from commands import options, vault_places
from vault import upkeep


@options.command(__doc__, options.VaultCommand)
@click.option("--yes", is_flag=True, help="Even when it shuts you out: recipients.txt names no key you can use.")
def command(yes: bool) -> None:
    """Do it."""
    click.echo(upkeep.encrypt_anew(vault_places.places(), shut_out=yes))


if __name__ == "__main__":
    command()
