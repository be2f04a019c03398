"""Draws cases, and checks the result of each in every program."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.inputs import bash, elixir, nginx, postgresql, systemd
from tests.inputs.cases import Case, Drawn, cases
from tests.inputs.refusals import Accepted, accept
from tests.sandbox.machine import Machine

# Cases that go to the machine in one exchange.
BATCH = 200

_CHECKS: Sequence[Callable[[Machine, Sequence[Accepted]], list[str]]] = (
    nginx.sites_serve,
    systemd.units_load,
    systemd.variables_arrive,
    bash.aliases_arrive,
    elixir.secrets_arrive,
    postgresql.passwords_arrive,
)


@dataclass
class Tally:
    """The results of the cases.

    + accepted: cases that went to the machine
    + refused: cases that were refused as they should be
    + arrived: for each setting, the accepted cases in which it was drawn
    + complaints: the mistakes, each with its case
    """

    accepted: int = 0
    refused: int = 0
    arrived: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)


def explore(machine: Machine, vaults: Path, count: int, number: int, tally: Tally) -> None:
    """Draws cases and checks their results.

    + machine: a prepared machine with nginx stopped
    + vaults: see `accept`
    + count: how many cases
    + number: the seed: the same cases for the same number and the same sources, from which hypothesis takes constants
    + tally: gets the results, batch by batch
    """
    batch: list[Accepted] = []
    for case in _drawn(count, number):
        try:
            accepted = accept(case, vaults)
        except Exception as error:
            tally.complaints.append(f"{type(error).__name__}: {error}: {case!r}")
            continue
        if accepted is None:
            tally.refused += 1
            continue
        tally.accepted += 1
        tally.arrived.update(case.drawn.settings.keys())
        batch.append(accepted)
        if len(batch) == BATCH:
            _check(machine, batch, tally)
            batch = []
    _check(machine, batch, tally)


def _drawn(count: int, number: int) -> Iterator[Case]:
    drawn: list[Drawn] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def collect(case: Drawn) -> None:
        drawn.append(case)

    collect()
    return (Case(position, case) for position, case in enumerate(drawn))


def _check(machine: Machine, batch: Sequence[Accepted], tally: Tally) -> None:
    for check in _CHECKS:
        for group in _apart(batch):
            tally.complaints += check(machine, group)


def _apart(batch: Sequence[Accepted]) -> Iterator[Sequence[Accepted]]:
    """The batch in groups that can be on one machine: no two cases in a group have a name or a path in common."""
    rest = list(batch)
    while rest:
        taken: set[str] = set()
        group: list[Accepted] = []
        later: list[Accepted] = []
        for item in rest:
            names = _names(item)
            (later if taken & names else group).append(item)
            taken |= names
        yield group
        rest = later


def _names(item: Accepted) -> set[str]:
    environment = item.environment
    paths = {str(path) for path in (environment.certificate_path, environment.certificate_key_path) if path}
    return {environment.full_name, *environment.server_names, *paths}
