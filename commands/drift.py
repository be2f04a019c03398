"""Whether the hosts are still as the data says: `python -m commands.drift [ENV ...] [--json] [--quiet]`.

Exit code 0: in sync. 2: drifted, and each drifted thing is named in one line. 1: that could not be told, and standard
error says why. docs/drift.md describes the JSON, and how to have it run by a timer.
"""

import sys
from collections.abc import Sequence

import click
from pyinfra.api.exceptions import PyinfraError

from commands.selection import Parser, print_json
from group_data.schema.inventory import read_environments
from inspection.drift import Drift, find
from preflight import interruption
from preflight.inventory import read_inventory
from preflight.selection import select


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, report, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser("python -m commands.drift", "Name everything on the hosts that is not as the data says.")
    parser.add_argument("--quiet", action="store_true", help="say nothing when in sync, for cron")
    options = parser.parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(options.environments, inventory, environments)
        show_progress = sys.stderr.isatty() and not options.quiet
        drifted = find(inventory, environments, hosts, show_progress=show_progress)
    except PyinfraError as error:
        # Empty when pyinfra's own words were let through.
        click.echo(str(error) or "drift: there is no plan to compare with", err=True)
        return 1
    if drifted or not options.quiet:
        _report(drifted, as_json=options.json)
    return 2 if drifted else 0


def _report(drifted: Sequence[Drift], *, as_json: bool) -> None:
    if as_json:
        print_json({"in_sync": not drifted, "drift": [item._asdict() for item in drifted]})
        return
    for item in drifted:
        click.echo(click.style(str(item), fg="yellow" if item.kind == "leftover" else "red"))
    if any(item.kind == "change" for item in drifted):
        advice = "make plan shows the difference, make apply mends it; leftovers stay until somebody removes them."
        click.echo(advice, err=True)
    elif not drifted:
        click.echo("In sync.")


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
