"""Applies without a change, to many environments at once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import measure, sites
from bench.ansible.play import play
from bench.cases import ANSIBLE, PYINFRA, SNAPSHOT, STOCK
from bench.measure import Figures, Table, say
from bench.sites import Site
from tests.sandbox.machine import boot
from tests.sandbox.vaults import make_vaults

# Numbers of environments, each on a machine of its own.
SIZES = (1, 5, 20, 50)

# Number of machines with two environments each.
PAIRS = 10

# From this number on, the other tools take minutes, and their figures hardly differ between runs: they run once.
_LONG = 20


def alone(size: int) -> str:
    """The name of the table for a number of environments, each on a machine of its own."""
    return f"{size} environment{'s' * (size > 1)}, one on each machine"


def measured(directory: Path, vaults: Path, layer: Path, release: str, rounds: int) -> Iterator[Table]:
    """The cost for each contender. Parameters as for `cases.measured`; the machines' disks have `stage` already."""
    with ExitStack() as stack:
        stack.enter_context(_room_for(max(SIZES)))
        reached: list[Site] = []
        for number in range(max(SIZES)):
            machine = stack.enter_context(
                boot(f"host-{number}", release, directory=directory / f"machine-{number}", layers=[layer])
            )
            reached.append(Site(machine, machine.ssh_config, None))
            say(f"{machine.name} is up")
        for size in SIZES:
            names = [[f"e{number}"] for number in range(size)]
            yield alone(size), _measured(directory, vaults, reached[:size], names, rounds)
        pairs = [[f"e{number}", f"f{number}"] for number in range(PAIRS)]
        yield (
            f"{2 * PAIRS} environments, two on each machine",
            _measured(directory, vaults, reached[:PAIRS], pairs, rounds),
        )


@contextmanager
def _room_for(machines: int) -> Iterator[None]:
    """Raise root's limit of inotify instances: the systemd of each machine needs about five, and only 26 would boot."""
    limit = Path("/proc/sys/fs/inotify/max_user_instances")
    before = limit.read_text()
    limit.write_text(str(max(int(before), 16 * machines)))
    try:
        yield
    finally:
        limit.write_text(before)


def _measured(
    directory: Path, vaults: Path, reached: list[Site], names: list[list[str]], rounds: int
) -> dict[str, Figures]:
    """One table. Ansible brings a machine to `stage` once for each of pyinfra's environments on it."""
    figures = {SNAPSHOT: Figures(), STOCK: Figures(), ANSIBLE: Figures()}
    count = sum(map(len, names))
    with ExitStack() as stack:
        runs: dict[str, tuple[list[str], Path, dict[str, str]]] = {}
        for name, connector in ((SNAPSHOT, "@snapshot/"), (STOCK, "")):
            path = directory / f"{count}-{len(reached)}-{'snapshot' if connector else 'stock'}"
            make_vaults(vaults, [name for names_ in names for name in names_])
            project = sites.project_of(path, vaults, names, connector)
            sites.lead_to(project, reached)
            runs[name] = ([*PYINFRA, "--yes"], path, {"XDG_CACHE_HOME": str(path / ".cache")})
        machines = [site for site, names_ in zip(reached, names, strict=True) for _ in names_]
        stage = sites.project_of(directory / f"{count}-{len(reached)}-ansible", vaults, [["stage"]])
        ansible = stack.enter_context(play(stage.path, machines))
        runs[ANSIBLE] = (ansible.command(), stage.path, dict(ansible.variables))
        for round_ in range(2 + rounds):
            for name, run in runs.items():
                long = name != SNAPSHOT and count >= _LONG
                if (name != SNAPSHOT and not round_) or (long and round_ != 2):
                    continue
                say(f"{count} on {len(reached)}, {name}, round {max(0, round_ - 1)} of {rounds}")
                # `@snapshot/` warms up twice: its first run changes something, and speeds up the second.
                if long:
                    measure.run_once(figures[name], *run)
                elif round_ >= 2:
                    measure.run(figures[name], *run)
                else:
                    measure.warm_up(figures[name], *run)
    return figures
