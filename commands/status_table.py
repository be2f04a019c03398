"""The state of environments as a table; on a narrow terminal as one block for each environment."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import click

from connectors.terminal import shown
from inspection.health import Reading

# Columns of the terminal; a wider table cuts machines' addresses or versions.
WIDTH = 120
UNKNOWN = Reading("-", ok=False)
_GAP = "  "


class Status(NamedTuple):
    """One row of the table.

    + environment: short name
    + url: of its site
    + machine: its address
    + port: of its application, on the machine's 127.0.0.1
    + database_name: on the machine, or on the host of a database that is managed elsewhere
    """

    environment: Reading
    url: Reading
    machine: Reading
    port: Reading
    database_name: Reading
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
        """Whether everything is in order."""
        return all(reading.ok for reading in self)

    def as_json(self) -> dict[str, Any]:
        """Texts by column. `reachable` is true or false, `in_sync` true, false or, if unknown, None."""
        return {name: reading.text for name, reading in self._asdict().items()} | {
            "reachable": self.reachable.ok,
            "in_sync": None if self.in_sync.text in (UNKNOWN.text, "unknown") else self.in_sync.ok,
            "ok": self.ok,
        }


def width() -> int:
    """Columns of the terminal; WIDTH without a terminal, so that a file looks the same everywhere."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def text(table: Sequence[Status], columns: int) -> list[str]:
    """The lines of the table.

    + table: a row for each environment
    + columns: width of the terminal
    """
    if columns < WIDTH:
        return [line for status in table for line in _block(status, columns)]
    # Three tables, because one would be too wide: the places, the machine's side, the application.
    ends = [Status._fields.index("reachable"), Status._fields.index("release"), len(Status._fields)]
    lines: list[str] = []
    for start, end in zip([1, *ends], ends, strict=False):
        lines += ["", *_columns(table, [0, *range(start, end)])]
    return lines[1:]


def _block(status: Status, columns: int) -> Iterator[str]:
    yield click.style(status.environment.text, bold=True)
    labels = {name: name.replace("_", " ") for name in Status._fields[1:]}
    longest = max(map(len, labels.values()))
    for name, label in labels.items():
        reading: Reading = getattr(status, name)
        [cell] = _cells([shown(reading.text, WIDTH)], [columns - longest - 2 * len(_GAP)])
        yield f"{_GAP}{label.ljust(longest)}{_GAP}{_coloured(cell, reading)}"


def _columns(table: Sequence[Status], columns: Sequence[int]) -> Iterator[str]:
    heading = [Status._fields[column].replace("_", " ") for column in columns]
    rows = [[status[column] for column in columns] for status in table]
    # A longer text of a host would push all others out of sight.
    texts = [[shown(reading.text, WIDTH) for reading in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heading, *texts, strict=True)]
    # The widest column is cut, such as a machine's address or a release's version.
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    yield click.style(_GAP.join(_cells(heading, widths)), bold=True)
    for row, cells in zip(rows, (_cells(row, widths) for row in texts), strict=True):
        yield _GAP.join(_coloured(cell, reading) for cell, reading in zip(cells, row, strict=True))


def _coloured(cell: str, reading: Reading) -> str:
    return cell if reading.ok else click.style(cell, fg="red")


def _cells(texts: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Each text at its column's width, the last one without padding. A text that is too long loses its end."""
    *cells, last = (
        (text if len(text) <= width else f"{text[: width - 1]}…").ljust(width)
        for text, width in zip(texts, widths, strict=True)
    )
    return [*cells, last.rstrip()]
