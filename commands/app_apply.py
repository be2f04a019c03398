"""Bring an application's checkout in step.

Exit code 0: done, or nothing to do. 1: declined or failed. 130: interrupted.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from commands import options
from commands.app_plan import deployment


@options.command(__doc__, options.DeployCommand)
@options.application
@options.environments
@options.yes
@click.pass_context
def command(ctx: click.Context, app: Path | None, environments: Sequence[str], yes: bool) -> None:
    """Plan, ask, write."""
    path = options.required(ctx, app)
    deployment(path, environments).plan_and_carry_out(f"Write this to {path}?", yes=yes)


if __name__ == "__main__":
    command()
