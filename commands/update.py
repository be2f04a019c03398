"""Build, and release what was built.

Exit code 0: done, or nothing to do. 1: declined, refused or failed. 130: interrupted.
"""

from typing import Any

from commands import options
from commands.build import build, choice
from commands.deployment import pinned
from commands.release import release


@options.command(__doc__, options.DeployCommand)
@options.environment
@choice
@options.yes
def command(environment: str, yes: bool, **chosen: Any) -> None:
    """Build, plan, ask, release."""
    with pinned() as pin:
        build(environment, pin, **chosen)
        release(environment, pin, yes=yes)


if __name__ == "__main__":
    command()
