"""What drift reports, and the timer that its documentation offers."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Inventory
from pyinfra.api.exceptions import PyinfraError

from commands.drift import main
from group_data.schema.inventory import read_environments
from inspection.drift import Drift
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
        {"name": "Unit", "hosts_with_change": ["stage"], "hosts_with_conditional_change": []},
        {"name": "Site", "hosts_with_change": [], "hosts_with_conditional_change": []},
        {"name": "Role", "hosts_with_change": ["prod", "stage"], "hosts_with_conditional_change": ["qa"]},
    ]
    monkeypatch.setenv("PYINFRA_YES", "1")
    calls = of_plan(monkeypatch, json.dumps({"plan": operations, "results": None}))
    found = changes(["stage", "prod"])
    assert found == [Change("stage", "Unit"), Change("prod", "Role"), Change("stage", "Role"), Change("qa", "Role")]
    [call] = calls
    assert call["command"][-6:] == ["--dry", "--json", "--limit", "stage", "--limit", "prod"]
    # With it pyinfra skips change detection: everything would seem in sync.
    assert "PYINFRA_YES" not in call["env"]


@pytest.mark.parametrize(("stdout", "code"), [("{}", 1), ("", 0), ("Exiting upon user request!\n", 0)])
def test_no_plan_is_an_error(monkeypatch: pytest.MonkeyPatch, stdout: str, code: int) -> None:
    of_plan(monkeypatch, stdout, "what pyinfra said\n", code)
    with pytest.raises(PlanError, match=r"^what pyinfra said$"):
        changes(["stage"])


def test_lines() -> None:
    change = Drift("stage", "server", "Site", "change", None)
    machine = Drift(None, "server", "Machine: nginx runs", "change", None)
    leftover = Drift(None, "server", "group billing_qa", "leftover", "groupdel billing_qa")
    assert str(change) == "stage: Site"
    assert str(machine) == "server: Machine: nginx runs"
    assert str(leftover) == "server: left over: group billing_qa (as root on server: groupdel billing_qa)"


def test_selection(inventory: Callable[..., Inventory]) -> None:
    hosts = inventory(stage=STAGE, prod=PROD)
    environments = read_environments(hosts)
    assert [host.name for host in select([], hosts, environments)] == [host.name for host in hosts]
    assert [host.name for host in select(["prod"], hosts, environments)] == ["prod"]
    with pytest.raises(UnknownEnvironmentError, match=r"no environment 'qa': give ENV as one of stage, prod"):
        select(["stage", "qa"], hosts, environments)


def test_a_misused_option_is_not_drift() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--nope"])
    assert ended.value.code == 1


@pytest.mark.parametrize(("found", "arguments", "code"), [([], [], 0), ([Drift("a", "b", "c", "change", None)], [], 2)])
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, found: list[Drift], arguments: list[str], code: int) -> None:
    monkeypatch.setattr("commands.drift.find", lambda *_, **__: found)
    assert main(arguments) == code


def test_exit_code_without_a_result(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PyinfraError("why")

    monkeypatch.setattr("commands.drift.find", fail)
    assert main(["--json"]) == 1
    assert capsys.readouterr() == ("", "why\n")


def test_quiet_says_nothing_in_sync(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("commands.drift.find", lambda *_, **__: [])
    assert main(["--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_documented_keys_are_those_of_the_json() -> None:
    example = re.search(r"--json`:\n\n((?:    .*\n)+)", DOCUMENT.read_text())
    assert example
    [item] = json.loads(example[1])["drift"]
    assert tuple(item) == Drift._fields
