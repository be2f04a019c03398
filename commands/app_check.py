"""Compare an application's checkout with the group data.

Exit code 0: in step. 2: it differs; each line on standard output names file and line, the setting, the application's value
and the environment's. 1: it could not be told, and standard error says why. No host is needed, and no vault.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from checkout.compare import checkout, differences
from commands import options
from preflight.selection import choose


@options.command(__doc__)
@options.application
@options.environments
@options.as_json
@click.pass_context
def command(ctx: click.Context, app: Path | None, environments: Sequence[str], as_json: bool) -> int:
    """Compare and show."""
    path = options.required(ctx, app)
    chosen = choose(environments)
    read = checkout(path, chosen)
    found = [difference for environment in chosen for difference in differences(read, environment)]
    if as_json:
        options.print_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            click.echo(difference)
        names = ", ".join(environment.environment for environment in chosen)
        if found:
            click.echo(f"make app-plan APP={path} shows what make app-apply would mend, and what not.", err=True)
        else:
            click.echo(f"{path} is in step with {names}")
    return 2 if found else 0


if __name__ == "__main__":
    command()
