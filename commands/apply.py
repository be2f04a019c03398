"""Prepare environments: show the plan, ask, and carry it out.

Exit code 0: done, or nothing to do. 1: declined or failed. 130: interrupted; a message describes the state.
"""

from collections.abc import Sequence

import click

from commands import options
from commands.deployment import HALF_APPLIED, Deployment


@options.command(__doc__, options.DeployCommand)
@options.environments
@options.yes
@click.option("--force", is_flag=True, help="Order a certificate although an order failed, or would fail.")
def command(environments: Sequence[str], yes: bool, force: bool) -> None:
    """Plan, ask, apply."""
    question = f"Apply this to {' '.join(environments) or 'every environment'}?"
    chosen = {"FORCE": "1"} if force else {}
    where = " ".join(environments) or "every environment"
    done, after = (
        f"Applied to {where}",
        f"make status{f' ENV={environments[0]}' if len(environments) == 1 else ''} shows the state.",
    )
    Deployment("deploy.py", HALF_APPLIED, environments, chosen, done=done, comes_next=after).plan_and_carry_out(
        question, yes=yes
    )


if __name__ == "__main__":
    command()
