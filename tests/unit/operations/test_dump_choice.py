"""The dump that a restore means."""

import json
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations.release import dumps, pin
from operations.release.dumps import Dump
from tests.unit.conftest import STAGE

ENVIRONMENT = Environment.model_validate(STAGE)


def dump(number: int, name: str, migrations: str = "1 2", sha256: str = "aaa") -> Dump:
    return Dump(number, name, migrations, "0.1.0", "0.2.0", "2026-02-01T00:00:00Z", "3145728", sha256)


OLD = Dump(0, "20260101-000000-before-0.1.0.dump", *["?"] * 6)
THERE = [OLD, dump(7, "20260201-000000-7-before-0.2.0.dump"), dump(8, "20260101-000000-8-before-0.3.0.dump")]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("7", 7),
        ("8", 8),
        ("20260201-000000-7-before-0.2.0.dump", 7),
        ("20260101-000000-8-before-0.3.0", 8),
        ("20260101-000000-before-0.1.0.dump", 0),
    ],
)
def test_a_dump_by_its_name_or_number(wanted: str, number: int) -> None:
    assert dumps.choose(ENVIRONMENT, wanted, THERE).number == number


@pytest.mark.parametrize("wanted", ["", "0", "9", "07", "../20260201-000000-7-before-0.2.0.dump", "?"])
def test_any_other_word_is_refused_with_the_list(wanted: str) -> None:
    with pytest.raises(DeployError) as refusal:
        dumps.choose(ENVIRONMENT, wanted, THERE)
    words = str(refusal.value)
    assert f"stage has no dump {wanted}. DUMP= names one of these, or its number:" in words
    assert [line.split(",")[0].strip() for line in words.splitlines()[1:-1]] == [dump.name for dump in reversed(THERE)]
    assert "3.0 MiB, of 2026-02-01T00:00:00Z, while 0.1.0 ran, migrations up to 2" in words


def test_two_dumps_of_one_number() -> None:
    """Somebody copied one."""
    with pytest.raises(DeployError, match="stage has more than one dump 7"):
        dumps.choose(ENVIRONMENT, "7", [*THERE, dump(7, "20270201-000000-7-before-0.2.0.dump")])


def test_a_database_elsewhere_has_no_dumps_here() -> None:
    environment = Environment.model_validate(STAGE | {"database_managed": False})
    with pytest.raises(DeployError, match=r"is managed elsewhere .*docs/database.md tells how to restore one there"):
        dumps.read(environment)


@pytest.mark.parametrize(("sha256", "refused"), [("aaa", False), ("bbb", True)])
def test_the_dump_of_the_plan(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sha256: str, *, refused: bool) -> None:
    plan = tmp_path / "plan.json"
    monkeypatch.setenv(pin.VARIABLE, str(plan))
    dumps.require_planned(THERE[1])
    assert json.loads(plan.read_text()) == {"dump": THERE[1].name, "sha256": "aaa"}
    if refused:
        with pytest.raises(DeployError, match="with other content now: plan again"):
            dumps.require_planned(THERE[1]._replace(sha256=sha256))
    else:
        dumps.require_planned(THERE[1]._replace(sha256=sha256))
