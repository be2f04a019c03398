"""Drift's reports, and the timer in its documentation."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyinfra.api import Inventory
from pyinfra.api.exceptions import PyinfraError

from commands.drift import command
from group_data.schema.inventory import read_environments
from inspection.drift import Drift, find
from inspection.plan import Change, PlanError, changes
from preflight.selection import UnknownEnvironmentError, select
from tests.unit.conftest import PROD, STAGE

DOCUMENT = Path(__file__).parents[3] / "docs/drift.md"


def of_plan(monkeypatch: pytest.MonkeyPatch, stdout: str, stderr: str = "", code: int = 0) -> list[dict[str, Any]]:
    """Have pyinfra answer this; returns the calls."""
    calls: list[dict[str, Any]] = []

    real = subprocess.Popen

    def start(command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        calls.append({"command": list(command), **options})
        script = f"import sys; print({stdout!r}); sys.stderr.write({stderr!r}); sys.exit({code})"
        return real([sys.executable, "-c", script], **options)

    monkeypatch.setattr("inspection.plan.subprocess.Popen", start)
    return calls


def test_changes_are_those_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = [
        {"op_hash": "a", "name": "Unit", "hosts_with_change": ["stage"], "hosts_with_conditional_change": []},
        {"op_hash": "b", "name": "Site", "hosts_with_change": [], "hosts_with_conditional_change": []},
        {
            "op_hash": "c",
            "name": "Role",
            "hosts_with_change": ["prod", "stage"],
            "hosts_with_conditional_change": ["qa"],
        },
    ]
    monkeypatch.setenv("PYINFRA_YES", "1")
    calls = of_plan(monkeypatch, json.dumps({"plan": operations, "results": None}))
    found = changes(["stage", "prod"])
    assert found == [Change("stage", "Unit"), Change("prod", "Role"), Change("stage", "Role"), Change("qa", "Role")]
    [call] = calls
    assert call["command"][-6:] == ["--dry", "--json", "--limit", "stage", "--limit", "prod"]
    # With it pyinfra skips change detection: everything would seem in sync.
    assert "PYINFRA_YES" not in call["env"]


def test_a_step_of_the_machine_is_told_by_what_it_is(
    monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]
) -> None:
    """The process that plans says so; the step's name does not matter."""
    plan = [
        {
            "op_hash": "a",
            "name": "Web server runs",
            "hosts_with_change": ["stage"],
            "hosts_with_conditional_change": [],
        },
        {"op_hash": "b", "name": "Machine: site", "hosts_with_change": ["stage"], "hosts_with_conditional_change": []},
    ]
    answer = json.dumps({"plan": plan, "results": None})
    script = f"import os; open(os.environ['DEPLOY_MACHINE_STEPS'], 'a').write('a\\n'); print({answer!r})"
    real = subprocess.Popen
    monkeypatch.setattr(
        "inspection.plan.subprocess.Popen", lambda _, **options: real([sys.executable, "-c", script], **options)
    )
    hosts = inventory(stage=STAGE)
    monkeypatch.setattr("inspection.drift._left_over", lambda *_: [])
    drifted = find(hosts, read_environments(hosts), list(hosts), show_progress=False)
    assert [(item.environment, item.thing) for item in drifted] == [
        (None, "Web server runs"),
        ("stage", "Machine: site"),
    ]


@pytest.mark.parametrize(("stdout", "code"), [("{}", 1), ("", 0), ("Exiting upon user request!\n", 0)])
def test_no_plan_is_an_error(monkeypatch: pytest.MonkeyPatch, stdout: str, code: int) -> None:
    of_plan(monkeypatch, stdout, "what pyinfra said\n", code)
    with pytest.raises(PlanError, match=r"^what pyinfra said$"):
        changes(["stage"])


def test_lines() -> None:
    change = Drift("stage", "server", "Site", "change", None)
    machine = Drift(None, "server", "Machine: nginx runs", "change", None)
    leftover = Drift(None, "server", "group billing_qa", "leftover", "groupdel billing_qa")
    down = Drift("stage", "server", "billing_stage.service is stopped", "down", "make restart ENV=stage")
    assert str(change) == "stage: Site"
    assert str(down) == "stage: billing_stage.service is stopped: make restart ENV=stage"
    assert str(machine) == "server: Machine: nginx runs"
    assert str(leftover) == "server: left over: group billing_qa (as root on server: groupdel billing_qa)"


def test_selection(inventory: Callable[..., Inventory]) -> None:
    hosts = inventory(stage=STAGE, prod=PROD)
    environments = read_environments(hosts)
    assert [host.name for host in select([], hosts, environments)] == [host.name for host in hosts]
    assert [host.name for host in select(["prod"], hosts, environments)] == ["prod"]
    with pytest.raises(UnknownEnvironmentError, match=r"no environment 'qa'; there are: stage, prod"):
        select(["stage", "qa"], hosts, environments)


def test_a_misused_option_is_not_drift() -> None:
    run = CliRunner().invoke(command, ["--nope"])
    assert (run.exit_code, "Usage:" in run.stderr) == (1, True)


@pytest.mark.parametrize(("found", "arguments", "code"), [([], [], 0), ([Drift("a", "b", "c", "change", None)], [], 2)])
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, found: list[Drift], arguments: list[str], code: int) -> None:
    monkeypatch.setattr("commands.drift.find", lambda *_, **__: found)
    assert CliRunner().invoke(command, arguments).exit_code == code


def test_exit_code_without_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PyinfraError("why")

    monkeypatch.setattr("commands.drift.find", fail)
    run = CliRunner().invoke(command, ["--json"])
    assert (run.exit_code, run.stdout, run.stderr) == (1, "", "why\n")


def test_quiet_says_nothing_in_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.drift.find", lambda *_, **__: [])
    run = CliRunner().invoke(command, ["--quiet"])
    assert (run.exit_code, run.output) == (0, "")


def test_the_documented_keys_are_those_of_the_json() -> None:
    example = re.search(r"--json`:\n\n((?:    .*\n)+)", DOCUMENT.read_text())
    assert example
    [item] = json.loads(example[1])["drift"]
    assert tuple(item) == Drift._fields
