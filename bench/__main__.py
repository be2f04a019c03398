"""The cost of deploys, uploads, and restarts for visitors: `python -m bench [--rounds N] [SECTION ...]`.

Writes bench/results.md, a chart beside it, and the figures for both. Sections without a measurement keep their figures, also
when Ctrl-C ends the program. Takes about an hour and a half.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import cases, report, restart, scale, sites, upload
from bench.ansible.play import PlayError, play
from bench.measure import BenchError, Figures, Table
from tests.sandbox.image import RELEASES
from tests.sandbox.machine import boot
from tests.sandbox.vaults import make_vaults

_HERE = Path(__file__).parent
_DATA = _HERE / "results.json"

_SECTIONS: dict[str, Callable[[Path, Path, Path, str, int], Iterator[Table]]] = {
    "cases": cases.measured,
    "first": cases.first_applies,
    "upload": upload.measured,
    "restart": restart.measured,
    "scale": scale.measured,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(_SECTIONS)}; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="measured after warming up; default 5")
    parser.add_argument("--release", choices=RELEASES, default="trixie", help="Debian of the machines; default trixie")
    options = parser.parse_args(arguments)
    if unknown := set(options.sections) - set(_SECTIONS):
        parser.error(f"there is no section {', '.join(unknown)}")
    kept = json.loads(_DATA.read_text()) if _DATA.exists() else {}
    with tempfile.TemporaryDirectory() as directory:
        try:
            for section in options.sections or _SECTIONS:
                for table, rows in _measured(section, Path(directory) / section, options.release, options.rounds):
                    kept.setdefault(section, {})[table] = {row: figures.dumps() for row, figures in rows.items()}
                    _DATA.write_text(json.dumps(kept, indent=1) + "\n")
        except (BenchError, PlayError) as error:
            print(error, file=sys.stderr)
            return 1
    loaded = {
        section: {table: {row: Figures(**figures) for row, figures in rows.items()} for table, rows in tables.items()}
        for section, tables in kept.items()
    }
    report.write(loaded, _computer(options.release), _HERE)
    print(f"See {_HERE / 'results.md'}")
    return 0


def _measured(section: str, directory: Path, release: str, rounds: int) -> Iterator[Table]:
    """The tables of a section, on copies of a machine that is prepared for `stage` and has Python for Ansible."""
    directory.mkdir()
    vaults = directory / "vaults"
    make_vaults(vaults, ["stage"])
    project = sites.project_of(directory / "prepared", vaults, [["stage"]])
    with boot(release=release, directory=directory / "first") as machine:
        with sites.reached(machine, 0) as site:
            sites.lead_to(project, [site])
            project.apply().require_success()
            with play(project.path, [site]) as ansible:
                ansible.bootstrap()
        yield from _SECTIONS[section](directory, vaults, machine.snapshot(), release, rounds)


def _computer(release: str) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    python = platform.python_version()
    return f"{os.cpu_count()} processors, {memory:.0f} GiB, Python {python}, machines with Debian {release}"


if __name__ == "__main__":
    sys.exit(main())
