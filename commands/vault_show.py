"""Show one value of the vault, alone on standard output.

Exit code 0: done. 1: refused or failed, with one message on standard error. 2: wrong usage. 130: interrupted.
"""

import click

from commands import options
from commands.vault_places import place
from vault.change import value_of


@options.command(__doc__, options.VaultCommand)
@options.environment
@options.key
def command(environment: str, key: str) -> None:
    """Show the value."""
    click.echo(value_of(place(environment), key).encode())


if __name__ == "__main__":
    command()
