"""Facts that operations and the preflight decide by."""

from pathlib import Path

import pytest

import operations
import preflight
from tests.unit import facts

CASES = facts.cases(Path(__file__).parent / "facts")
FACTS = facts.facts(operations, preflight)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_fact(case: Path) -> None:
    facts.check(case, FACTS)


def test_every_fact_has_a_case() -> None:
    assert {facts.fact_name(case) for case in CASES} == set(FACTS)


@pytest.mark.parametrize(
    ("command", "pattern", "matching"),
    [
        ("df /srv", "df /srv", True),
        ("df /srv\n", "df /srv", False),
        ("df /srv", "df .srv", False),
        ("psql 'SELECT\n1' || true", "psql '…' || true", True),
        ("psql 'SELECT 1' || false", "psql '…' || true", False),
    ],
)
def test_a_case_may_leave_out_a_part_of_the_command(command: str, pattern: str, *, matching: bool) -> None:
    assert facts.matches(command, pattern) == matching
