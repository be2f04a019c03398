"""Restart the application, and see that it is well.

Exit code 0: it is. 1: it is not, or it was refused. 130: interrupted.
"""

from commands import options
from commands.deployment import HALF_RELEASED, Deployment


@options.command(__doc__, options.DeployCommand)
@options.environment
def command(environment: str) -> None:
    """Restart."""
    Deployment("deploys/restart.py", HALF_RELEASED, [environment]).carry_out()


if __name__ == "__main__":
    command()
