"""List the differences between hosts and data.

Each difference is one line. `make plan` shows its content, `make apply` mends it. docs/drift.md describes the JSON and a
timer that runs this command.

Exit code 0: in sync. 2: drifted. 1: the comparison was not possible, and standard error says why.
"""

import sys
from collections.abc import Sequence

import click

from commands import options
from commands.deployment import naming
from inspection.drift import Drift, find
from inspection.plan import PlanError
from preflight.selection import select_committed


@options.command(__doc__)
@options.environments
@options.as_json
@click.option("--quiet", is_flag=True, help="Say nothing when in sync, for cron.")
def command(environments: Sequence[str], as_json: bool, quiet: bool) -> int:
    """Look and report."""
    inventory, known, hosts = select_committed(environments, strict=True)
    try:
        drifted = find(inventory, known, hosts, show_progress=sys.stderr.isatty() and not quiet)
    except PlanError as error:
        # The error is empty if pyinfra has printed its own message already.
        click.echo(str(error) or "drift: there is no plan to compare with", err=True)
        return 1
    if drifted or not quiet:
        _report(drifted, environments, as_json=as_json)
    return 2 if drifted else 0


def _report(drifted: Sequence[Drift], environments: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        options.print_json({"in_sync": not drifted, "drift": [item._asdict() for item in drifted]})
        return
    for item in drifted:
        click.echo(click.style(str(item), fg="yellow" if item.kind == "leftover" else "red"))
    if any(item.kind == "change" for item in drifted):
        advice = "Leftovers stay until somebody removes them. make plan{} shows the rest, make apply{} mends it."
        click.echo(naming(advice, environments), err=True)
    elif not drifted:
        click.echo("In sync.")


if __name__ == "__main__":
    command()
