"""One environment on one machine: a first apply, one that changes nothing, one that changes a file, and a plan."""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import measure, sites
from bench.ansible.play import play
from bench.measure import BenchError, Figures, Table, say
from bench.sites import Site
from operations.machine import PACKAGES
from tests.sandbox.machine import boot

# Round trips in seconds: a machine in the next room, and one on another continent.
ROUND_TRIPS = (0.0, 0.08)

NO_CHANGE, PLAN, ONE_FILE, FIRST = "no change", "plan", "one changed file", "first apply"

SNAPSHOT, STOCK = "pyinfra, `@snapshot/`", "pyinfra, its own connector"
ANSIBLE, MITOGEN = "ansible-core", "ansible-core with mitogen"
CONTENDERS = (SNAPSHOT, STOCK, ANSIBLE, MITOGEN)

# Measured beside them, for comparison.
FLOOR = "floor: `pyinfra --version`, `ssh HOST true`"
PACKAGES_ALONE = "its packages: `apt-get install`"

_PYINFRA = Path(sys.executable).with_name("pyinfra")
PYINFRA = [str(_PYINFRA), "inventory.py", "deploy.py"]
_INSTALL = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends"

# Values in the changed file: nginx's limit of a request's size, in MiB.
_LIMITS = (8, 9)


@dataclass(frozen=True)
class Contender:
    """A tool that brings a machine to a state.

    + commands: command lines by case
    + directory: working directory
    + variables: variables of their environment
    + change: lets the next run find one file to change; called with one number and then the other
    + equip: prepares a bare machine, without a measurement: Ansible's modules need Python
    """

    commands: Mapping[str, list[str]]
    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[int], object] = lambda limit: None
    equip: Callable[[], object] = lambda: None


def measured(directory: Path, vaults: Path, layer: Path, release: str, rounds: int) -> Iterator[Table]:
    """The cost of each case for each contender, in tables called "case, round trip".

    + directory: directory for temporary files
    + vaults: vaults of `stage`
    + layer: disk of a prepared machine
    + release: Debian release
    + rounds: measured rounds, after the warm-up
    """
    for round_trip in ROUND_TRIPS:
        where = f"{round_trip * 1000:.0f} ms"
        with ExitStack() as stack:
            machine = stack.enter_context(boot(release=release, directory=directory / "machine", layers=[layer]))
            site = stack.enter_context(sites.reached(machine, round_trip))
            all_ = {name: stack.enter_context(contender(name, directory, vaults, site)) for name in CONTENDERS}
            for case in (NO_CHANGE, PLAN, ONE_FILE):
                say(f"{case}, {where}")
                yield f"{case}, {where}", _case(case, site, all_, rounds)


def first_applies(directory: Path, vaults: Path, layer: Path, release: str, rounds: int) -> Iterator[Table]:
    """The same for a bare machine; the layer is not used. Parameters as for `measured`."""
    for round_trip in ROUND_TRIPS:
        yield f"{FIRST}, {round_trip * 1000:.0f} ms", _first(directory, vaults, release, round_trip, rounds)


@contextmanager
def contender(name: str, directory: Path, vaults: Path, site: Site) -> Iterator[Contender]:
    """One of CONTENDERS, or PACKAGES_ALONE, ready to work on a machine."""
    path = directory / "contender"
    if name == PACKAGES_ALONE:
        command = f"sudo sh -c '{_INSTALL} {' '.join(PACKAGES)}'"
        yield Contender({FIRST: ["ssh", "-F", str(site.config), site.machine.name, command]}, directory)
    elif name in (SNAPSHOT, STOCK):
        path = directory / ("snapshot" if name == SNAPSHOT else "stock")
        shutil.rmtree(path, ignore_errors=True)
        project = sites.project_of(path, vaults, [["stage"]], "@snapshot/" if name == SNAPSHOT else "")
        sites.lead_to(project, [site])
        apply, plan = [*PYINFRA, "--yes"], [*PYINFRA, "--dry", "--diff"]
        yield Contender(
            {NO_CHANGE: apply, PLAN: plan, ONE_FILE: apply, FIRST: apply},
            project.path,
            {"XDG_CACHE_HOME": str(project.path / ".cache")},
            lambda limit: project.edit("stage", request_body_limit=limit),
        )
    else:
        with _ansible(path, vaults, site, mitogen=name == MITOGEN) as ansible:
            yield ansible


@contextmanager
def _ansible(path: Path, vaults: Path, site: Site, mitogen: bool) -> Iterator[Contender]:
    shutil.rmtree(path, ignore_errors=True)
    project = sites.project_of(path, vaults, [["stage"]])
    with play(project.path, [site], mitogen=mitogen) as ansible:
        apply, plan = ansible.command(), ansible.command("--check", "--diff")

        def change(limit: int) -> None:
            project.edit("stage", request_body_limit=limit)
            ansible.prepare(project.path)

        commands = {NO_CHANGE: apply, PLAN: plan, ONE_FILE: apply, FIRST: apply}
        yield Contender(commands, path, ansible.variables, change, ansible.bootstrap)


def _case(case: str, site: Site, contenders: Mapping[str, Contender], rounds: int) -> dict[str, Figures]:
    """Warm up, then run all in turn. `@snapshot/` warms up twice, because its first run speeds up the second."""
    figures = {name: Figures() for name in (FLOOR, *contenders)}
    floor = Contender(
        {case: ["sh", "-c", f"{_PYINFRA} --version && ssh -F {site.config} {site.machine.name} true"]}, Path("/")
    )
    turns = 0
    for round_ in range(2 + rounds):
        for name, one in {FLOOR: floor, **contenders}.items():
            if not round_ and name != SNAPSHOT:
                continue
            before = _site_file(site)
            if case == ONE_FILE and name != FLOOR:
                turns += 1
                one.change(_LIMITS[turns % 2])
            arguments = (figures[name], one.commands[case], one.directory, one.variables)
            if round_ >= 2:
                measure.run(*arguments)
            else:
                with sites.counted(site, figures[name]):
                    measure.warm_up(*arguments)
            if (_site_file(site) != before) != (case == ONE_FILE and name != FLOOR):
                raise BenchError(f"{name}: the case was to be {case}")
    return figures


def _site_file(site: Site) -> str:
    return site.machine.run("cat /etc/nginx/sites-available/billing_stage").stdout


def _first(directory: Path, vaults: Path, release: str, round_trip: float, rounds: int) -> dict[str, Figures]:
    """Each run has a machine of its own, with the packages' files on its disk already."""
    names = (PACKAGES_ALONE, *CONTENDERS)
    figures = {name: Figures() for name in names}
    for round_ in range(1 + rounds):
        say(f"{FIRST}, {round_trip * 1000:.0f} ms, round {round_} of {rounds}")
        for name in names:
            with (
                boot(release=release, directory=directory / "bare") as machine,
                sites.reached(machine, round_trip) as site,
                contender(name, directory, vaults, site) as one,
            ):
                one.equip()
                arguments = (figures[name], one.commands[FIRST], one.directory, one.variables)
                if round_:
                    measure.run(*arguments)
                else:
                    with sites.counted(site, figures[name]):
                        measure.warm_up(*arguments)
    return figures
