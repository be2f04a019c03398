"""Facts about environments: the command each sends, and its reading of the output. One case is one file of facts/."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase, StringCommand

from inspection import facts, probe

CASES = sorted((Path(__file__).parent / "facts").glob("*.json"))
FACTS: dict[str, type[FactBase[Any]]] = {
    name: cls
    for module in (facts, probe)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and issubclass(cls, FactBase) and cls is not FactBase
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_fact(case: Path) -> None:
    expected = json.loads(case.read_text())
    fact = FACTS[case.stem.partition("-")[0]]()
    assert StringCommand(fact.command(**expected["arg"])).get_raw_value() == expected["command"]
    assert fact.process(expected["output"]) == expected["fact"]


def test_every_fact_has_a_case() -> None:
    assert {case.stem.partition("-")[0] for case in CASES} == set(FACTS)
