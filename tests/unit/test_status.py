"""The table of all environments: its cells, its width and its exit codes."""

import json
from collections.abc import Callable

import pytest
from pyinfra.api import Inventory
from pyinfra.api.exceptions import PyinfraError

from tests.unit.conftest import PROD, STAGE
from tools import health, plan, status
from tools.health import Health, Reading
from tools.plan import Change

WELL = Health(*(Reading(text, ok=True) for text in ("active since 2026-11-23 00:10", "200 OK", "7662 kB", "5 %")))
BAD = Health(*(Reading(text, ok=False) for text in ("no release yet", "502 Bad Gateway", "no answer", "95 %")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]) -> Callable[..., int]:
    """The command, on an inventory of stage and prod whose hosts answer this."""

    def make(
        stage: Health | PyinfraError = WELL,
        prod: Health | PyinfraError = WELL,
        changes: Callable[[list[str]], list[Change]] = lambda _: [],
        address: str = "server.example.com",
        arguments: tuple[str, ...] = (),
    ) -> int:
        hosts = inventory(stage=STAGE | {"ssh_hostname": address}, prod=PROD | {"ssh_port": 2222})
        monkeypatch.setattr(status, "read_inventory", lambda: hosts)
        monkeypatch.setattr(status, "ask", lambda *_: {"stage": stage, "prod": prod})
        monkeypatch.setattr(plan, "changes", changes)
        return status.main(arguments)

    return make


def test_all_in_order(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split("  ")[0] == "environment"
    assert {row.split()[0] for row in rows} == {"stage", "prod"}
    assert any("server.example.com:2222  yes" in row for row in rows)
    assert all("active since 2026-11-23 00:10  200 OK  7662 kB   5 %" in row for row in rows)


@pytest.mark.parametrize("column", range(len(Health._fields)))
def test_anything_out_of_order_is_2(run: Callable[..., int], column: int) -> None:
    readings = list(WELL)
    readings[column] = BAD[column]
    assert run(stage=Health(*readings)) == 2


def test_drifted_is_2(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(changes=lambda hosts: [Change("stage", "Site")] if hosts == ["stage"] else []) == 2
    out = capsys.readouterr().out
    assert "no, 1 to do" in out
    assert out.count("yes") == 3


def test_one_that_is_unreachable_hides_no_other(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    planned = []

    def changes(hosts: list[str]) -> list[Change]:
        planned.extend(hosts)
        return []

    assert run(stage=PyinfraError("no route"), changes=changes) == 2
    told = capsys.readouterr()
    assert "stage: no route" in told.err
    assert "200 OK" in told.out
    assert planned == ["prod"]


def test_none_reachable_is_1(run: Callable[..., int]) -> None:
    assert run(stage=PyinfraError("no route"), prod=PyinfraError("no route")) == 1


def test_a_plan_that_fails_hides_no_other(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    def changes(hosts: list[str]) -> list[Change]:
        if hosts == ["prod"]:
            raise plan.PlanError("no key to vault/prod.age")
        return []

    assert run(changes=changes, arguments=("--json",)) == 2
    told = capsys.readouterr()
    assert "prod: no key to vault/prod.age" in told.err
    rows = {row["environment"]: row for row in json.loads(told.out)}
    assert (rows["stage"]["in_sync"], rows["stage"]["ok"]) == (True, True)
    assert (rows["prod"]["in_sync"], rows["prod"]["ok"], rows["prod"]["site"]) == (None, False, "200 OK")


def test_a_long_address_still_fits(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    run(address=f"{'a' * 60}.example.com")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= status.WIDTH
    assert any("…" in line for line in lines)


@pytest.mark.parametrize(
    ("line", "reading"),
    [
        ("HTTP/1.1 200 OK", Reading("200 OK", ok=True)),
        ("HTTP/1.1 401 Unauthorized", Reading("401 Unauthorized", ok=True)),
        ("HTTP/1.1 502 Bad Gateway", Reading("502 Bad Gateway", ok=False)),
        ("HTTP/1.1 200", Reading("200", ok=True)),
        ("HTTP/1.1 200 \x1b[31m", Reading("no answer", ok=False)),
        ("nonsense", Reading("no answer", ok=False)),
        (None, Reading("no answer", ok=False)),
    ],
)
def test_site(line: str | None, reading: Reading) -> None:
    assert health._site(line) == reading


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"ActiveState": "active", "ActiveEnterTimestamp": "@1795392600"}, "active since 2026-11-23 00:10"),
        ({"ActiveState": "inactive"}, "no release yet"),
        ({"ActiveState": "inactive", "Release": "yes"}, "stopped"),
        ({"ActiveState": "failed", "Release": "yes"}, "failed"),
        ({}, "unknown"),
    ],
)
def test_unit(properties: dict[str, str], text: str) -> None:
    assert health._unit(properties) == Reading(text, ok=text.startswith("active"))


def test_disk_is_full_at_the_bound() -> None:
    assert [health._disk(percent).ok for percent in (0, health.DISK_FULL - 1, health.DISK_FULL, None)] == [
        True, True, False, False,
    ]  # fmt: skip
