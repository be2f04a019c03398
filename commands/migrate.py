"""Back up, and migrate with the running release.

Exit code 0: done. 1: declined, refused or failed. 130: interrupted.
"""

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, pinned


@options.command(__doc__, options.DeployCommand)
@options.environment
@options.yes
def command(environment: str, yes: bool) -> None:
    """Plan, ask, migrate."""
    with pinned() as pin:
        deployment = Deployment(
            "deploys/migrate.py",
            HALF_RELEASED,
            [environment],
            pin,
            done=f"Migrated {environment}",
            comes_next=f"make status ENV={environment} shows it.",
        )
        deployment.plan_and_carry_out(f"Migrate {environment}?", yes=yes)


if __name__ == "__main__":
    command()
