"""`@snapshot/` and pyinfra's own SSH connector do the same, in a few states that need all that makes them differ.

`make differential` compares them in many more.
"""

from collections.abc import Iterator

import pytest

from tests.host.conftest import TRIXIE, Prepared
from tests.host.differential import DAMAGES, EDITS, OBSTACLES, Combination, Pair

pytestmark = [TRIXIE, pytest.mark.everything]

_STATES = DAMAGES | {state.name: state for state in [*EDITS, *OBSTACLES]}


def _combination(*names: str, environment: str = "", bare: bool = False) -> Combination:
    return Combination([_STATES[name] for name in names], bare, environment)


# Each goes on from the one before, the first from a machine that is as it should be and has been asked about that.
COMBINATIONS = [
    _combination("site content", "role's password", "cookie's mode", "alias changed", "memory limit", "TLS"),
    _combination("nginx's configuration broken"),
    _combination("database dropped", "port", "basic auth", environment="stage"),
    _combination("group removed", "no AppSignal", "database password", "key base"),
    _combination("PostgreSQL refuses"),
    _combination("epmd on all interfaces", "drop-in", "aliases removed", "extensions", "Distillery"),
    _combination(bare=True),
]


@pytest.fixture(scope="module")
def pair(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two machines like the prepared one."""
    directory = tmp_path_factory.mktemp("differential")
    with Pair(directory, prepared.vaults, prepared.layer, prepared.release) as pair:
        yield pair


def test_both_connectors_answer_alike_while_nothing_changes(pair: Pair) -> None:
    before = pair.tally.facts, pair.tally.answered, pair.tally.exchanges
    assert pair.exact() == []
    facts, answered, exchanges = (
        now - then
        for now, then in zip((pair.tally.facts, pair.tally.answered, pair.tally.exchanges), before, strict=True)
    )
    assert facts == answered > 200
    # A look to plan, two to apply.
    assert exchanges <= 3


@pytest.mark.parametrize(
    "combination",
    COMBINATIONS,
    ids=lambda combination: combination.name,
)
def test_nothing_is_different(pair: Pair, combination: Combination) -> None:
    found = pair.carry_out(combination)
    assert not found, "\n".join(found)


def test_most_facts_were_answered_from_a_snapshot(pair: Pair) -> None:
    """Or the others would have compared pyinfra's own connector with itself."""
    tally = pair.tally
    assert tally.applied >= tally.combinations / 2
    assert tally.answered >= tally.facts / 2
