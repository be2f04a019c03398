"""Facts about environments: the command each sends, and its reading of the output. One case is one file of facts/."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase, StringCommand

from inspection import facts, health, probe
from inspection.health import Reading

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


def test_without_curl_nothing_is_said_of_the_site(tmp_path: Path) -> None:
    command = probe.StatusLine().command("stage.example.com", 80, "http://stage.example.com/").get_raw_value()
    shell = ["/bin/sh", "-c", command]
    told = subprocess.run(shell, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True).stdout
    assert health._site(probe.StatusLine().process(told.splitlines())) == Reading("curl is missing", ok=False)
