"""Remove an environment from its machine, after a last backup.

It shows everything that goes, and asks for the environment's name. Then it says what to delete here. An interrupted run is
repeated.

Exit code 0: gone, or it was gone. 1: declined, refused or failed. 130: interrupted.
"""

import sys

import click

from commands import options
from commands.deployment import Deployment, on_interruption
from group_data.schema.paths import CHECKOUT
from preflight import known_machines

HALF_DESTROYED = "Interrupted: some of it may be gone. Run make destroy{} again to finish."

# Where an environment's files are, by its name.
FILES = ("group_data/{}.py", "vault/{}.age", ".sandbox/vault/{}.age", ".releases/{}")

FORGOTTEN = (
    "There is no group_data/{0}.py, which has the names of all that would go. Bring it back from git, with the line of {0} "
    "in inventory.py, and repeat; or make drift names what is left of {0}, and the command that removes each. Nothing was "
    "changed."
)

MEMORIES = ("vault/machines.txt", ".sandbox/vault/machines.txt")


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option("--force", is_flag=True, help="Although the environment is public (indexed = True).")
def command(environment: str, force: bool) -> int:
    """Plan, ask for the name, destroy."""
    if not (CHECKOUT / FILES[0].format(environment)).exists() and any(
        _remembers(name, environment) for name in MEMORIES
    ):
        click.echo(FORGOTTEN.format(environment), err=True)
        return 1
    deployment = Deployment(
        "deploys/destroy.py",
        HALF_DESTROYED,
        [environment],
        {"FORCE": "1" if force else ""},
        done=f"Destroyed {environment}",
    )
    if deployment.plan():
        with on_interruption("Interrupted before the answer: nothing was changed."):
            ask_name(environment)
        deployment.carry_out()
    click.echo(left_here(environment))
    return 0


def ask_name(environment: str) -> None:
    """Go on after the name. End with 1 after any other answer.

    + environment: name to type
    """
    click.echo(f"All of this goes for good. Type {environment} to destroy it: ", nl=False, err=True)
    if sys.stdin.readline().strip() != environment:
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)


def left_here(environment: str) -> str:
    """What to delete on this computer.

    + environment: that is gone from its machine
    """
    files = [name for file in FILES if (CHECKOUT / (name := file.format(environment))).exists()]
    files += [f"the line of {environment} in {name}" for name in MEMORIES if _remembers(name, environment)]
    named = f" and {', '.join(files)}" if files else ""
    return f"Delete here, and commit: {environment} in inventory.py{named}."


def _remembers(name: str, environment: str) -> bool:
    return any(entry.environment == environment for entry in known_machines.read(CHECKOUT / name))


if __name__ == "__main__":
    command()
