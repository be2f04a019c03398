"""How every environment is doing: `python -m commands.status [ENV ...] [--json]`.

Exit code 0: all in order. 2: something is not, and the table shows it. 1: nothing could be told, and standard error says
why. docs/drift.md describes the JSON.
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands.selection import Parser, print_json
from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from inspection import health, plan
from inspection.ask import address, ask
from inspection.health import Reading
from preflight import interruption
from preflight.inventory import read_inventory
from preflight.selection import select

# Columns; a wider table has its machines' addresses or its versions cut.
WIDTH = 120
_GAP = "  "
_UNKNOWN = Reading("-", ok=False)


class Status(NamedTuple):
    """One row of the table.

    + environment: short name
    + machine: its address
    """

    environment: Reading
    machine: Reading
    reachable: Reading
    in_sync: Reading
    unit: Reading
    site: Reading
    database: Reading
    disk: Reading
    release: Reading
    node: Reading
    health: Reading
    migrations: Reading
    last: Reading

    @property
    def ok(self) -> bool:
        """Whether all of it is in order."""
        return all(reading.ok for reading in self)

    def as_json(self) -> dict[str, Any]:
        """Texts by column, `reachable` as truth, `in_sync` as truth or, where that could not be told, None."""
        return {name: reading.text for name, reading in self._asdict().items()} | {
            "reachable": self.reachable.ok,
            "in_sync": None if self.in_sync.text in (_UNKNOWN.text, "unknown") else self.in_sync.ok,
            "ok": self.ok,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, show, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser("python -m commands.status", "Show how every environment is doing.")
    options = parser.parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(options.environments, inventory, environments)
        answers = ask(inventory, hosts, lambda host: health.read(host, environments[host.name]))
        table = _table(hosts, environments, answers)
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print_json([status.as_json() for status in table])
    else:
        _print(table)
    if not any(status.reachable.ok for status in table):
        return 1
    return 0 if all(status.ok for status in table) else 2


def _table(
    hosts: Sequence[Host],
    environments: Mapping[str, Environment],
    answers: Mapping[str, health.Health | PyinfraError],
) -> list[Status]:
    # One plan for each environment: that one cannot be made, for want of a key to its vault, does not hide the others.
    with ThreadPoolExecutor() as pool:
        synced = list(pool.map(lambda host: _in_sync(host, answers[host.name]), hosts))
    table = []
    for host, in_sync in zip(hosts, synced, strict=True):
        names = (Reading(environments[host.name].environment, ok=True), Reading(address(host), ok=True))
        answer = answers[host.name]
        if isinstance(answer, PyinfraError):
            print(f"{host.name}: {answer}", file=sys.stderr)
            table.append(Status(*names, Reading("no", ok=False), in_sync, *[_UNKNOWN] * len(health.Health._fields)))
        else:
            table.append(Status(*names, Reading("yes", ok=True), in_sync, *answer))
    return table


def _in_sync(host: Host, answer: health.Health | PyinfraError) -> Reading:
    if isinstance(answer, PyinfraError):
        return _UNKNOWN
    try:
        changes = plan.changes([host.name])
    except plan.PlanError as error:
        print(f"{host.name}: {error}", file=sys.stderr)
        return Reading("unknown", ok=False)
    return Reading(f"no, {len(changes)} to do" if changes else "yes", ok=not changes)


def _print(table: Sequence[Status]) -> None:
    """Two tables, because one would be too wide: what carries the application, and the application."""
    application = Status._fields.index("release")
    _print_columns(table, range(application))
    click.echo()
    _print_columns(table, [0, *range(application, len(Status._fields))])


def _print_columns(table: Sequence[Status], columns: Sequence[int]) -> None:
    heading = [Status._fields[column].replace("_", " ") for column in columns]
    rows = [[status[column] for column in columns] for status in table]
    texts = [[reading.text for reading in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *texts, strict=True)]
    # What may be cut: the machine's address, the release's version.
    widest = 1
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - WIDTH
    widths[widest] = max(widths[widest] - max(excess, 0), len(heading[widest]))
    click.secho(_line(heading, widths), bold=True)
    for row, cells in zip(rows, (_cells(row, widths) for row in texts), strict=True):
        click.echo(
            _GAP.join(
                cell if reading.ok else click.style(cell, fg="red") for cell, reading in zip(cells, row, strict=True)
            )
        )


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_cells(texts, widths))


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Each text at its column's width, the last one without padding; one that is too long loses its end."""
    *cells, last = (
        (text if len(text) <= width else f"{text[: width - 1]}…").ljust(width)
        for text, width in zip(texts, widths, strict=True)
    )
    return [*cells, last.rstrip()]


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
