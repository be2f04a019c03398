"""Restore a dump, and keep the database beside it.

It needs the name or the number of the dump; `make releases` lists the dumps.

Exit code 0: done. 1: declined, refused or failed. 130: interrupted.
"""

import click

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, pinned


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option("--dump", default="", metavar="DUMP", help="The dump: its name, or the number in it.")
@options.yes
@click.pass_context
def command(ctx: click.Context, environment: str, dump: str, yes: bool) -> None:
    """Plan, ask, restore."""
    if not dump:
        raise click.UsageError("Say which dump: make restore ENV=stage DUMP=7; make releases lists them", ctx)
    with pinned() as pin:
        deployment = Deployment(
            "deploys/restore.py",
            HALF_RELEASED,
            [environment],
            pin | {"DUMP": dump},
            done=f"Restored {environment}",
            comes_next=f"make status ENV={environment} shows it.",
        )
        deployment.plan_and_carry_out(
            f"Replace the database of {environment}? What was written since the dump is in the kept one alone.", yes=yes
        )


if __name__ == "__main__":
    command()
