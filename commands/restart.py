"""Restart the application and check that it is healthy.

Exit code 0: it is healthy. 1: it is not, or the restart was refused. 130: interrupted.
"""

from commands import options
from commands.deployment import HALF_RELEASED, Deployment


@options.command(__doc__, options.DeployCommand)
@options.environment
def command(environment: str) -> None:
    """Restart."""
    Deployment(
        "deploys/restart.py",
        HALF_RELEASED,
        [environment],
        done=f"Restarted {environment}",
        comes_next=f"make status ENV={environment} shows it.",
    ).carry_out()


if __name__ == "__main__":
    command()
