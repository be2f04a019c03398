"""Go back to the previous good release, or to another one.

Exit code 0: done. 1: declined, refused or failed. 130: interrupted.
"""

import click

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, pinned


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option("--version", default="", metavar="VERSION", help="The release to go back to.")
@click.option("--migrate-down", default="", metavar="MIGRATION", help="Takes back this migration and later ones first.")
@options.yes
def command(environment: str, version: str, migrate_down: str, yes: bool) -> None:
    """Plan, ask, go back."""
    with pinned() as pin:
        settings = pin | {"VERSION": version, "MIGRATE_DOWN": migrate_down}
        deployment = Deployment(
            "deploys/rollback.py",
            HALF_RELEASED,
            [environment],
            settings,
            done=f"Rolled back {environment}",
            comes_next=f"make status ENV={environment} shows it.",
        )
        deployment.plan_and_carry_out(f"Go back in {environment}?", yes=yes)


if __name__ == "__main__":
    command()
