"""Release what is good in another environment.

It is the tarball that runs there, by its checksum; nothing is built. Between two machines it comes through this computer.

Exit code 0: done, or nothing to do. 1: declined, refused or failed. 130: interrupted.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from commands import options
from commands.deployment import HALF_RELEASED, Deployment, ask, on_interruption, pinned
from group_data.schema.paths import CHECKOUT, RELEASES
from preflight.options import process_environment

HALF_FETCHED = "Interrupted: what runs is as it was."


def _named(ctx: click.Context, _: click.Parameter, value: str | None) -> str:
    if not value:
        raise click.UsageError(f"Say from where: make {options.target(ctx)} FROM=stage ENV=prod")
    return value


@options.command(__doc__, options.DeployCommand)
@options.environment
@click.option(
    "--from", "source", type=options.EnvironmentName(), metavar="ENV", callback=_named, help="Where it runs already."
)
@options.yes
def command(environment: str, source: str, yes: bool) -> None:
    """Look, plan, ask, look again, release."""
    with pinned() as pin:
        promotion = _choice(source, environment)
        _pin(pin, promotion)
        options_ = dict(pin)
        if promotion["same_machine"]:
            options_["FROM"] = source
        else:
            _pin(pin, promotion | {"tarball": str(_fetched(promotion, environment, pin))})
        deployment = Deployment(
            "deploys/release.py",
            HALF_RELEASED,
            [environment],
            options_,
            done=f"Promoted to {environment}",
            comes_next=f"make status ENV={environment} shows it, and make rollback ENV={environment} goes back.",
        )
        if deployment.plan():
            with on_interruption("Interrupted before the answer: nothing was changed."):
                ask(f"Promote {promotion['version']} from {source} to {environment}?", yes=yes)
                _require_unchanged(source, promotion, _choice(source, environment))
            deployment.carry_out()


def _choice(source: str, environment: str) -> dict[str, Any]:
    """What runs in the source. Ends with 1 if it cannot be promoted."""
    # A separate process, because reading the inventory patches a process with gevent.
    with on_interruption("Interrupted while planning: nothing was changed."):
        run = subprocess.run(
            [sys.executable, "-m", "commands.promotion", environment, "--from", source],
            cwd=CHECKOUT,
            env=process_environment({}),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if run.returncode != 0:
        raise click.exceptions.Exit(1)
    return dict(json.loads(run.stdout))


def _pin(pin: dict[str, str], promotion: dict[str, Any]) -> None:
    """The release does exactly this, or refuses (operations/release/pin.py)."""
    chosen = {name: promotion[name] for name in ("version", "sha256", "tarball") if name in promotion}
    Path(pin["PLAN"]).write_text(json.dumps(chosen))


def _fetched(promotion: dict[str, Any], environment: str, pin: dict[str, str]) -> Path:
    """The tarball on this computer; its checksum is verified."""
    chosen = {"VERSION": promotion["version"], "INTO": environment}
    Deployment("deploys/fetch.py", HALF_FETCHED, [promotion["host"]], pin | chosen).carry_out()
    return RELEASES / environment / str(promotion["name"])


def _require_unchanged(source: str, planned: dict[str, Any], now: dict[str, Any]) -> None:
    if planned != now:
        click.echo(
            f"the plan was made while {planned['version']} ran in {source}, and {now['version']} runs there now: somebody "
            "released meanwhile. Plan again. Nothing was changed",
            err=True,
        )
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    command()
