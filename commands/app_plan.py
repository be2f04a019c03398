"""Show the changes of `app-apply` in an application's checkout.

Exit code 0: there is nothing to do, and app-check says the same. 2: there is; what the plan does not change is "Yours to
mend". 1: there is no complete plan. 130: interrupted.
"""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import click

from commands import options
from commands.app_check import compared
from commands.deployment import HALF_WRITTEN, Deployment, naming


@options.command(__doc__, options.DeployCommand)
@options.application
@options.environments
@click.pass_context
def command(ctx: click.Context, app: Path | None, environments: Sequence[str]) -> int:
    """Plan."""
    path = options.required(ctx, app)
    deployment(path, environments).plan()
    return 2 if compared(path, environments)[2] else 0


def deployment(app: Path, environments: Sequence[str]) -> Deployment:
    """The deploy that changes a checkout.

    + app: path of the checkout
    + environments: names; none means all
    """
    settings = {"APP": str(app.absolute()), "ENV": " ".join(environments)}
    half_done = naming(HALF_WRITTEN.replace("{app}", quote(str(app))), environments)
    return Deployment("deploys/checkout.py", half_done, options=settings, inventory="@local")


if __name__ == "__main__":
    command()
