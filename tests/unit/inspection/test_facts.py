"""Facts about environments: the command each sends, and its reading of the output. One case is one file of facts/."""

import subprocess
from pathlib import Path

import pytest

import inspection
from inspection import health, probe
from inspection.health import Reading
from tests.unit import facts

CASES = facts.cases(Path(__file__).parent / "facts")
FACTS = facts.facts(inspection)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_fact(case: Path) -> None:
    facts.check(case, FACTS)


def test_every_fact_has_a_case() -> None:
    assert {facts.fact_name(case) for case in CASES} == set(FACTS)


def test_without_curl_nothing_is_said_of_the_site(tmp_path: Path) -> None:
    command = probe.StatusLine().command("stage.example.com", 80, "http://stage.example.com/").get_raw_value()
    shell = ["/bin/sh", "-c", command]
    told = subprocess.run(shell, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True).stdout
    assert health._site(probe.StatusLine().process(told.splitlines())) == Reading("curl is missing", ok=False)
