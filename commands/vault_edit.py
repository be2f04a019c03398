"""Edit the secrets in your editor.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted, and the vault is as it was.
"""

import click

from commands import options
from commands.vault_places import consent, place
from vault import upkeep


@options.command(__doc__, options.VaultCommand)
@options.environment
@options.shut_out
@options.new_recipients
def command(environment: str, yes: bool, new_recipients: bool) -> None:
    """Edit the vault."""
    click.echo(upkeep.edit(place(environment), shut_out=yes, consent=consent(accepted=new_recipients, yes=yes)))


if __name__ == "__main__":
    command()
