"""The results as a page and a chart, both made only from the figures."""

import html
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import cases, restart, scale, upload
from bench.measure import Figures

Results = Mapping[str, Mapping[str, Mapping[str, Figures]]]

_COLOURS = {
    cases.SNAPSHOT: "#2a6f4e",
    cases.STOCK: "#7fb069",
    cases.ANSIBLE: "#c44536",
    cases.MITOGEN: "#e09f3e",
    cases.FLOOR: "#8d99ae",
    cases.PACKAGES_ALONE: "#8d99ae",
}

# Pixels of the chart.
_WIDTH, _LABELS, _BAR = 900, 330, 18


@dataclass(frozen=True)
class Section:
    """One part of the page.

    + key: key of its figures in the results
    + title: heading
    + text: description of the measurement, for a reader without the code
    + base: name of the row for the ratios; a table without this row uses its first row
    """

    key: str
    title: str
    text: str
    base: tuple[str, ...]


SECTIONS = (
    Section(
        "cases",
        "One environment on one machine",
        "The whole of `deploy.py` for one environment; as an ansible-core playbook (pipelining, ControlPersist) that leaves "
        "the same machine, which pyinfra's plan and `bench/same_host.py` confirm. Over a distance through a TCP proxy that "
        "delays both ways. pyinfra's start with a connection by ssh is what no apply can be faster than.",
        (cases.FLOOR,),
    ),
    Section(
        "first",
        "A bare machine",
        "The first apply to a Debian whose packages are on its disk but not installed. Python, without which Ansible can do "
        "nothing, is installed before the clock starts.",
        (cases.PACKAGES_ALONE,),
    ),
    Section(
        "scale",
        "Many environments",
        "Applies that change nothing, on the spot; ansible-core with as many forks as there are environments. The machines "
        "run on the same two processors as what is measured.",
        (cases.SNAPSHOT,),
    ),
    Section(
        "upload",
        "Releases",
        "The step of a deploy that sends a file, beside `scp` of the same file with a connection of its own.",
        (upload.SCP,),
    ),
    Section(
        "restart",
        "What visitors notice",
        "A release, a rollback and a restart while clients ask without a pause: GET over new and kept connections, and POST "
        "with a body. Requests and losses are those of all rounds; wait, gap and memory (of all processes of the "
        "application) are the worst.",
        (),
    ),
)


def write(results: Results, computer: str, path: Path) -> None:
    """Write `results.md` and `results.svg` into a directory.

    + results: figures by section, table and row
    + computer: description of the computer
    """
    (path / "results.md").write_text("\n".join(_page(results, computer)))
    (path / "results.svg").write_text("\n".join(_chart(results)))


def _page(results: Results, computer: str) -> Iterator[str]:
    yield "# Measured\n"
    yield f"`make bench`, {computer}.\n"
    yield "Medians, with the smallest and largest in brackets, after warming up; in each round all take turns. Processor"
    yield "time is that of the command and what it starts, without the machines; memory that of all its processes at the"
    yield "worst moment.\n"
    yield "![Seconds of each case](results.svg)\n"
    for section in SECTIONS:
        tables = results.get(section.key)
        if tables:
            yield f"## {section.title}\n\n{section.text}\n"
            for name, rows in tables.items():
                yield from restart.table(rows) if section.key == "restart" else _table(name, rows, section.base)
            if section.key == "scale":
                yield from _growth(tables)


def _table(name: str, rows: Mapping[str, Figures], bases: Iterable[str]) -> Iterator[str]:
    base = next((rows[base] for base in bases if base in rows), next(iter(rows.values())))
    yield f"### {name[0].upper()}{name[1:]}\n"
    yield "| | seconds | ratio | runs | processor | memory, MB | remote commands | kB |"
    yield "|---|---|---|---|---|---|---|---|"
    for row, figures in rows.items():
        processor = f"{statistics.median(figures.processor):.2f}" if figures.processor else ""
        yield (
            "| "
            + " | ".join(
                [
                    row,
                    f"{figures.median:.2f} ({min(figures.seconds):.2f} to {max(figures.seconds):.2f})",
                    f"{figures.median / base.median:.2f}",
                    str(len(figures.seconds)),
                    processor,
                    "" if figures.memory is None else f"{figures.memory:.0f}",
                    "" if figures.commands is None else str(figures.commands),
                    "" if figures.passed is None else f"{figures.passed / 1000:.0f}",
                ]
            )
            + " |"
        )
    yield ""


def _growth(tables: Mapping[str, Mapping[str, Figures]]) -> Iterator[str]:
    """The memory for each further environment on a machine of its own."""
    sizes = [size for size in scale.SIZES if scale.alone(size) in tables]
    if len(sizes) > 1:
        first, last = (tables[scale.alone(size)] for size in (sizes[0], sizes[-1]))
        for name, figures in first.items():
            if name in last and figures.memory and (most := last[name].memory):
                each = (most - figures.memory) / (sizes[-1] - sizes[0])
                yield f"- {name}: {each:.2f} MB of memory for each further environment, from {sizes[0]} to {sizes[-1]}."
        yield ""


def _chart(results: Results) -> Iterator[str]:
    tables = [
        (name, rows)
        for section in SECTIONS
        if section.key not in {"upload", "restart"}
        for name, rows in results.get(section.key, {}).items()
    ]
    height = sum(28 + _BAR * len(rows) for _, rows in tables) + 10
    size = f'width="{_WIDTH}" height="{height}"'
    yield f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    yield '<rect width="100%" height="100%" fill="white"/>'
    y = 0
    for name, rows in tables:
        y += 24
        yield f'<text x="8" y="{y}" font-weight="bold">{html.escape(name)}, seconds</text>'
        longest = max(figures.median for figures in rows.values())
        for row, figures in rows.items():
            width = max(1, (_WIDTH - _LABELS - 70) * figures.median / longest)
            label, colour = html.escape(row.replace("`", "")), _COLOURS.get(row, "#8d99ae")
            yield f'<text x="{_LABELS - 8}" y="{y + 17}" text-anchor="end">{label}</text>'
            yield f'<rect x="{_LABELS}" y="{y + 6}" width="{width:.0f}" height="{_BAR - 5}" fill="{colour}"/>'
            yield f'<text x="{_LABELS + width + 6:.0f}" y="{y + 17}">{figures.median:.2f}</text>'
            y += _BAR
        y += 4
    yield "</svg>\n"
