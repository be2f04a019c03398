"""Show what apply would change.

Nothing is changed. `make apply` shows the same, asks, and does it.

Exit code 0: the plan was shown. 1: there is no complete plan. 130: interrupted.
"""

from collections.abc import Sequence

from commands import options
from commands.deployment import HALF_APPLIED, Deployment


@options.command(__doc__, options.DeployCommand)
@options.environments
def command(environments: Sequence[str]) -> None:
    """Plan."""
    Deployment("deploy.py", HALF_APPLIED, environments).plan()


if __name__ == "__main__":
    command()
