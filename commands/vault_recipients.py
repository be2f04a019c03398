"""Seal all vaults, and encrypt them for vault/recipients.txt.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted.
"""

import click

from commands import options, vault_places
from vault import upkeep


@options.command(__doc__, options.VaultCommand)
@options.shut_out
@options.new_recipients
@click.option("--trust", is_flag=True, help="Vouch for vaults that may be forged, and seal them.")
def command(yes: bool, new_recipients: bool, trust: bool) -> None:
    """Encrypt the vaults."""
    consent = vault_places.consent(accepted=new_recipients, yes=yes)
    click.echo(upkeep.encrypt_anew(vault_places.places(), shut_out=yes, trust=trust, consent=consent))


if __name__ == "__main__":
    command()
