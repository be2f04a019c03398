"""Show what would bring an application's checkout in step.

Exit code 0: the plan was shown. 1: there is no complete plan. 130: interrupted.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from commands import options
from commands.deployment import HALF_WRITTEN, Deployment


@options.command(__doc__, options.DeployCommand)
@options.application
@options.environments
@click.pass_context
def command(ctx: click.Context, app: Path | None, environments: Sequence[str]) -> None:
    """Plan."""
    deployment(options.required(ctx, app), environments).plan()


def deployment(app: Path, environments: Sequence[str]) -> Deployment:
    """The deploy of a checkout.

    + app: path of the checkout
    + environments: names; none means all of them
    """
    settings = {"APP": str(app.absolute()), "ENV": " ".join(environments)}
    return Deployment("deploys/checkout.py", HALF_WRITTEN, options=settings, inventory="@local")


if __name__ == "__main__":
    command()
