"""Release the newest build, or another version.

The release migrates, restarts the application, checks it, and goes back if it is not well. `make releases` lists
the versions.

Exit code 0: done, or nothing to do. 1: declined, refused or failed. 130: interrupted.
"""

from pathlib import Path

import click

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, pinned


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option("--version", default="", metavar="VERSION", help="One that was built or is on the host.")
@click.option("--tarball", type=click.Path(path_type=Path), metavar="FILE", help="A tarball on this computer.")
@options.yes
def command(environment: str, version: str, tarball: Path | None, yes: bool) -> None:
    """Plan, ask, release."""
    with pinned() as pin:
        release(environment, pin | {"VERSION": version, "TARBALL": str(tarball.absolute()) if tarball else ""}, yes=yes)


def release(environment: str, settings: dict[str, str], *, yes: bool) -> None:
    """Plan, ask and release.

    + environment: name of the environment
    + settings: options of the entry point
    + yes: whether the answer is yes already
    """
    deployment = Deployment(
        "deploys/release.py",
        HALF_RELEASED,
        [environment],
        settings,
        done=f"Released to {environment}",
        comes_next=f"make status ENV={environment} shows it, and make rollback ENV={environment} goes back.",
    )
    deployment.plan_and_carry_out(f"Release this to {environment}?", yes=yes)


if __name__ == "__main__":
    command()
