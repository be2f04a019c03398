"""What a release, a rollback and a restart cost visitors: with a stand-in, and without one.

Clients ask without a pause, over new connections and over kept ones, with and without a body, and one has a websocket,
which it opens again when it ends. Each action happens under both strategies in each round.
"""

import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import sites
from bench.measure import Figures, Table, say
from tests.host.load import Load, Websocket
from tests.host.project import Project
from tests.host.releases import Variant, build_variants
from tests.sandbox.machine import Machine, boot

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")

# By the word in group data: what the rows call it.
STRATEGIES = {"stand_in": "a stand-in", "restart": "a restart"}

# Memory of an environment's processes that none of them shares with another, in KiB.
_MEMORY = (
    "grep -lsE '/billing_stage(-standin)?.service$' /proc/[0-9]*/cgroup | cut -d / -f 3 | "
    "while read -r process; do sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\) kB$/\\1/p' /proc/$process/status; done | "
    "awk '{ sum += $1 } END { print sum + 0 }'"
)


class Observer:
    """Looks at the site in a way of its own until the block ends."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._stop.wait(0.05):
            self._look()


def measured(directory: Path, vaults: Path, layer: Path, release: str, rounds: int) -> Iterator[Table]:
    """The cost of each action for each strategy, in one table. Parameters as for `cases.measured`."""
    directory.joinpath("tarballs").mkdir()
    tarballs = build_variants(release, directory / "tarballs", [OLD, NEW])
    with (
        boot(release=release, directory=directory / "machine", layers=[layer]) as machine,
        sites.reached(machine, 0) as site,
    ):
        project = sites.project_of(directory / "project", vaults, [["stage"]])
        sites.lead_to(project, [site])
        project.apply().require_success()
        for tarball in tarballs.values():
            _deploy(project, "deploys/release.py", TARBALL=str(tarball))
        actions = {
            "make restart": lambda: _deploy(project, "deploys/restart.py"),
            "make rollback": lambda: _deploy(project, "deploys/rollback.py", VERSION="0.1.0"),
            "make release": lambda: _deploy(project, "deploys/release.py", VERSION="0.2.0"),
        }
        rows = {f"`{action}` by {name}": Figures() for action in actions for name in STRATEGIES.values()}
        for round_ in range(1 + rounds):
            for strategy, name in STRATEGIES.items():
                say(f"round {round_}, {name}" if round_ else f"warming up, {name}")
                project.edit("stage", release_strategy=strategy)
                project.apply().require_success()
                for action, carry_out in actions.items():
                    _observe(machine, carry_out, rows[f"`{action}` by {name}"] if round_ else Figures())
        yield "one processor, requests without a pause", rows


def _observe(machine: Machine, carry_out: Callable[[], object], figures: Figures) -> None:
    memory = [0]
    with (
        Load(machine.address, workers=1) as load,
        Websocket(machine.address) as websocket,
        Observer(lambda: memory.append(int(machine.run(_MEMORY).stdout))),
    ):
        time.sleep(0.5)
        began = time.monotonic()
        carry_out()
        figures.seconds.append(time.monotonic() - began)
        time.sleep(1)
    figures.memory = max(figures.memory or 0, *(kib / 1000 for kib in memory))
    figures.visitors.append(
        {
            "asked": len(load.answers),
            "lost": _lost(load, kept=False, method="GET"),
            "lost, kept": _lost(load, kept=True, method="GET"),
            "lost, POST": _lost(load, kept=False, method="POST") + _lost(load, kept=True, method="POST"),
            "longest": load.longest,
            "websocket": websocket.gap,
        }
    )


def _lost(load: Load, *, kept: bool, method: str) -> int:
    return sum(answer.what.startswith(method) and answer.what.endswith("kept") == kept for answer in load.failed)


def _deploy(project: Project, file: str, **options: str) -> None:
    command = ["env", *(f"DEPLOY_{name}={value}" for name, value in options.items()), sys.executable, "-m", "pyinfra"]
    project.run(*command, "inventory.py", file, "--limit", "stage", "--yes").require_success()


def table(rows: Mapping[str, Figures]) -> Iterator[str]:
    """The table of this section, as lines of Markdown.

    + rows: figures by row
    """
    heads = (
        "requests",
        "lost: new connections",
        "kept",
        "POST",
        "longest wait, s",
        "no websocket, s",
        "seconds in all",
        "MB",
    )
    yield f"| | {' | '.join(heads)} |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row, figures in rows.items():
        cells = [row, *(f"{_sum(figures.visitors, key):.0f}" for key in ("asked", "lost", "lost, kept", "lost, POST"))]
        cells += [f"{max(one[key] for one in figures.visitors):.2f}" for key in ("longest", "websocket")]
        cells += [f"{statistics.median(figures.seconds):.1f}", f"{figures.memory or 0:.0f}"]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _sum(visitors: Sequence[dict[str, float]], key: str) -> float:
    return sum(one[key] for one in visitors)
