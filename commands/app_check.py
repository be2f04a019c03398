"""Compare an application's checkout with the group data.

It needs no host and no vault.

Exit code 0: they agree. 2: they differ; each line on standard output names file and line, the setting, the application's
value and the environment's. 1: the check was not possible, and standard error says why.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from checkout.compare import assets, checkout, differences, unknown
from checkout.difference import Difference
from checkout.files import Read
from checkout.needed import secret_variables
from commands import options
from connectors.terminal import shown
from group_data.schema.environment import Environment
from preflight.selection import choose


@options.command(__doc__)
@options.application
@options.environments
@options.as_json
@click.pass_context
def command(ctx: click.Context, app: Path | None, environments: Sequence[str], as_json: bool) -> int:
    """Compare and show."""
    path = options.required(ctx, app)
    read, chosen, found = compared(path, environments)
    if as_json:
        options.print_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            click.echo(shown(str(difference)))
        for line in secret_variables(found, chosen):
            click.echo(shown(line), err=True)
        for environment in chosen:
            if build := assets(read, environment):
                click.echo(
                    f"{environment.environment} would be built without assets: set {build} in group_data/all.py",
                    err=True,
                )
            if places := unknown(read, environment):
                unknowns = shown(", ".join(places))
                click.echo(f"Only running it would tell for {environment.environment}: {unknowns}", err=True)
        names = ", ".join(environment.environment for environment in chosen)
        if found:
            click.echo(f"make app-plan APP={path} shows what make app-apply would mend, and what not.", err=True)
        else:
            click.echo(f"{path} is in step with {names}")
    return 2 if found else 0


def compared(path: Path, environments: Sequence[str]) -> tuple[Read, list[Environment], list[Difference]]:
    """A reader of the checkout, the chosen environments, and everything in which a checkout differs from them.

    + path: of the checkout
    + environments: names; none means all
    """
    chosen = choose(environments)
    read = checkout(path, chosen)
    return read, chosen, [difference for environment in chosen for difference in differences(read, environment)]


if __name__ == "__main__":
    command()
