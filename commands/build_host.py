"""Print the host of the inventory that builds an environment.

Exit code 0: printed. 1: the host is unknown, and standard error says why.
"""

import click

from commands import options
from preflight.selection import select_committed


@options.command(__doc__)
@options.environment
def command(environment: str) -> None:
    """Print."""
    _, environments, hosts = select_committed([environment])
    for host in hosts:
        click.echo(environments[host.name].build_host or host.name)


if __name__ == "__main__":
    command()
