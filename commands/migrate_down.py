"""Back up, and take back a migration and all later ones.

It needs the version of the migration. A default could take back all migrations, and lose the data.

Exit code 0: done. 1: declined, refused or failed. 130: interrupted.
"""

import click

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, pinned


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option("--version", default="", metavar="MIGRATION", help="The migration, such as 20260201000000.")
@options.yes
@click.pass_context
def command(ctx: click.Context, environment: str, version: str, yes: bool) -> None:
    """Plan, ask, migrate down."""
    if not version:
        raise click.UsageError("Say which migration: make migrate-down ENV=stage VERSION=20260201000000", ctx)
    with pinned() as pin:
        deployment = Deployment(
            "deploys/migrate.py",
            HALF_RELEASED,
            [environment],
            pin | {"MIGRATE_DOWN": version},
            done=f"Migrated {environment} down",
            comes_next=f"make rollback ENV={environment} goes back to the release of then.",
        )
        deployment.plan_and_carry_out(f"Take migrations of {environment} back?", yes=yes)


if __name__ == "__main__":
    command()
