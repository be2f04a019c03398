"""Build a revision into the environment's store.

Exit code 0: the build is in the store. 1: refused or failed. 130: interrupted.
"""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click

from commands import options
from commands.deployment import HALF_BUILT, Deployment, on_interruption
from group_data.schema.paths import CHECKOUT
from preflight.options import process_environment


def choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the revision and the kind of build."""
    for decorate in (
        click.option("--verbose", is_flag=True, help="Show all that the compiler says."),
        click.option("--fetch", is_flag=True, help="Bring the tarball to .releases/ here, too."),
        click.option("--rebuild", is_flag=True, help="Although there is a build of the revision."),
        click.option("--uncommitted", is_flag=True, help="Although the working tree has changes, and without them."),
        click.option("--ref", default="", metavar="REF", help="Branch, tag or revision; default main."),
    ):
        function = decorate(function)
    return function


@options.command(__doc__, options.DeployCommand)
@options.environment
@choice
def command(environment: str, **chosen: Any) -> None:
    """Build."""
    build(environment, {}, **chosen)


def build(
    environment: str,
    settings: dict[str, str],
    *,
    ref: str,
    uncommitted: bool,
    rebuild: bool,
    fetch: bool,
    verbose: bool,
) -> None:
    """Build on the environment's build host.

    + environment: name of the environment
    + settings: further options of the entry point
    + ref: branch, tag or revision; empty for main
    + uncommitted: build even if the working tree has changes
    + rebuild: build even if there is a build of the revision
    + fetch: fetch the tarball to this computer
    + verbose: show all that the commands of the build say, not only its steps
    """
    flags = {"UNCOMMITTED": uncommitted, "REBUILD": rebuild, "FETCH": fetch, "VERBOSE": verbose}
    chosen = {"BUILD": environment, "REF": ref} | {name: "1" for name, value in flags.items() if value}
    with on_interruption(HALF_BUILT):
        host = build_host(environment)
    Deployment(
        "deploys/build.py",
        HALF_BUILT,
        [host],
        settings | chosen,
        done=f"Built for {environment}",
        comes_next=f"make release ENV={environment} releases it.",
    ).carry_out()


def build_host(environment: str) -> str:
    """The host of the inventory that builds an environment. Ends with 1 when the data does not say.

    + environment: its name
    """
    # A separate process, because reading the inventory patches a process with gevent.
    run = subprocess.run(
        [sys.executable, "-m", "commands.build_host", environment],
        cwd=CHECKOUT,
        env=process_environment({}),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise click.exceptions.Exit(1)
    return run.stdout.strip()


if __name__ == "__main__":
    command()
