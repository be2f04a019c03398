"""Prepare environments: plan, question, and do it.

Exit code 0: done, or nothing to do. 1: declined or failed. 130: interrupted; a message says what that leaves.
"""

from collections.abc import Sequence

from commands import options
from commands.deployment import HALF_APPLIED, Deployment


@options.command(__doc__, options.DeployCommand)
@options.environments
@options.yes
def command(environments: Sequence[str], yes: bool) -> None:
    """Plan, ask, apply."""
    question = f"Apply this to {' '.join(environments) or 'every environment'}?"
    Deployment("deploy.py", HALF_APPLIED, environments).plan_and_carry_out(question, yes=yes)


if __name__ == "__main__":
    command()
