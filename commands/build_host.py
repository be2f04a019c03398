"""Print which host of the inventory builds an environment.

Exit code 0: printed. 1: it cannot be told, and standard error says why.
"""

import click

from commands import options
from group_data.schema.inventory import read_environments
from preflight.inventory import read_inventory
from preflight.selection import select


@options.command(__doc__)
@options.environment
def command(environment: str) -> None:
    """Print."""
    inventory = read_inventory()
    environments = read_environments(inventory)
    for host in select([environment], inventory, environments):
        click.echo(environments[host.name].build_host or host.name)


if __name__ == "__main__":
    command()
