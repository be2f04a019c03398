"""Encrypt all vaults for vault/recipients.txt.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted.
"""

import click

from commands import options, vault_places
from vault import upkeep


@options.command(__doc__, options.VaultCommand)
@options.shut_out
def command(yes: bool) -> None:
    """Encrypt the vaults."""
    click.echo(upkeep.encrypt_anew(vault_places.places(), shut_out=yes))


if __name__ == "__main__":
    command()
