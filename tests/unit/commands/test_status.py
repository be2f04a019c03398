"""The table of all environments: its cells, its width and its exit codes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from pyinfra.api import Inventory
from pyinfra.api.exceptions import PyinfraError

from commands import status, status_table
from group_data.schema.environment import Environment
from inspection import health, plan
from inspection.ask import ask
from inspection.end import End
from inspection.health import Health, Reading
from inspection.plan import Change
from inspection.probe import Answer
from operations.acme import Order
from operations.release.history import Releases, Revision
from preflight import selection
from tests.unit import certificates
from tests.unit.conftest import PROD, STAGE

WELL_TEXTS = (
    "active since 2026-11-23 00:10", "200 OK", "7662 kB", "5 %",
    "0.2.0+20261122-main-6bfed7e", "answers", "200 OK", "2 applied", "release good 2026-11-23 00:10",
)  # fmt: skip
BAD_TEXTS = (
    "no release yet", "502 Bad Gateway", "no answer", "95 %",
    "none", "no answer", "503 Service Unavailable", "1 pending", "release failed 2026-11-23 00:10",
)  # fmt: skip
WELL = Health(*(Reading(text, ok=True) for text in WELL_TEXTS))
BAD = Health(*(Reading(text, ok=False) for text in BAD_TEXTS))


def test_a_machine_that_nothing_leads_to_is_not_connected_to(inventory: Callable[..., Inventory]) -> None:
    hosts = inventory(stage=STAGE | {"ssh_config_file": ".sandbox/nothing"})
    answers = ask(hosts, list(hosts), lambda host: host.name)
    assert str(answers["stage"]).endswith("run `make sandbox-up`, which boots it")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]) -> Callable[..., Result]:
    """The command, on an inventory of stage and prod whose hosts answer this."""

    def make(
        stage: Health | PyinfraError = WELL,
        prod: Health | PyinfraError = WELL,
        changes: Callable[[list[str]], list[Change]] = lambda _: [],
        address: str = "server.example.com",
        arguments: tuple[str, ...] = (),
        columns: int = status_table.WIDTH,
    ) -> Result:
        hosts = inventory(stage=STAGE | {"ssh_hostname": address}, prod=PROD | {"ssh_port": 2222})
        monkeypatch.setattr(selection, "read_inventory", lambda **_: hosts)
        monkeypatch.setattr(status, "ask", lambda *_: {"stage": stage, "prod": prod})
        monkeypatch.setattr(plan, "changes", changes)
        monkeypatch.setattr(status_table, "width", lambda: columns)
        return CliRunner().invoke(status.command, arguments)

    return make


def test_all_in_order(run: Callable[..., Result]) -> None:
    told = run()
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert (len(lines), lines[3], lines[7]) == (11, "", "")
    assert [line.split()[0] for line in lines[::4]] == ["environment"] * 3
    places, carrying, application = lines[1:3], lines[5:7], lines[9:]
    assert [{row.split()[0] for row in part} for part in (places, carrying, application)] == [{"stage", "prod"}] * 3
    assert [row.split() for row in places] == [
        ["stage", "http://stage.example.com", "server.example.com", "4001", "billing_stage"],
        ["prod", "http://example.com", "server.example.com:2222", "4000", "billing_prod"],
    ]
    assert all("active since 2026-11-23 00:10  200 OK  7662 kB   5 %" in row for row in carrying)
    assert all("0.2.0+20261122-main-6bfed7e  answers  200 OK  2 applied   release good" in row for row in application)


@pytest.mark.parametrize("column", range(len(Health._fields)))
def test_anything_out_of_order_is_2(run: Callable[..., Result], column: int) -> None:
    readings = list(WELL)
    readings[column] = BAD[column]
    assert run(stage=Health(*readings)).exit_code == 2


def test_drifted_is_2(run: Callable[..., Result]) -> None:
    told = run(changes=lambda hosts: [Change("stage", "Site")] if hosts == ["stage"] else [])
    assert told.exit_code == 2
    assert "no, 1 to do" in told.stdout
    assert told.stdout.count("yes") == 3


def test_one_that_is_unreachable_hides_no_other(run: Callable[..., Result]) -> None:
    """And is not said to be so a second time by its plan."""

    def changes(hosts: list[str]) -> list[Change]:
        if hosts == ["stage"]:
            raise plan.PlanError("no route for a plan either")
        return []

    told = run(stage=PyinfraError("no route"), changes=changes)
    assert told.exit_code == 2
    assert told.stderr == "stage: no route\n"
    assert "200 OK" in told.stdout


def test_none_reachable_is_1(run: Callable[..., Result]) -> None:
    assert run(stage=PyinfraError("no route"), prod=PyinfraError("no route")).exit_code == 1


def test_a_plan_that_fails_hides_no_other(run: Callable[..., Result]) -> None:
    def changes(hosts: list[str]) -> list[Change]:
        if hosts == ["prod"]:
            raise plan.PlanError("no key to vault/prod.age")
        return []

    told = run(changes=changes, arguments=("--json",))
    assert told.exit_code == 2
    assert "prod: no key to vault/prod.age" in told.stderr
    rows = {row["environment"]: row for row in json.loads(told.stdout)}
    assert (rows["stage"]["in_sync"], rows["stage"]["ok"]) == (True, True)
    assert (rows["prod"]["in_sync"], rows["prod"]["ok"], rows["prod"]["site"]) == (None, False, "200 OK")


@pytest.mark.parametrize("columns", [status_table.WIDTH, 80, 60])
def test_a_long_address_still_fits(run: Callable[..., Result], columns: int) -> None:
    lines = run(address=f"{'a' * 120}.example.com", columns=columns).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    assert any("…" in line for line in lines)


def test_a_narrow_terminal_gets_a_block_for_each_environment(run: Callable[..., Result]) -> None:
    lines = run(columns=80, prod=BAD).stdout.splitlines()
    size = len(status_table.Status._fields)
    assert (lines[0], lines[size]) == ("stage", "prod")
    assert "  in sync        yes" in lines[1:size]
    assert "  site           502 Bad Gateway" in lines[size:]


def test_a_file_is_as_wide_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert status_table.width() == status_table.WIDTH


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
    assert health._unit(properties, None) == Reading(text, ok=text.startswith("active"))


@pytest.mark.parametrize(("hours", "ok"), [(1, False), (25, True)])
def test_a_restart_that_nobody_asked_for_is_out_of_order_for_a_day(hours: int, *, ok: bool) -> None:
    since = datetime.now(UTC) - timedelta(hours=hours)
    active = {"ActiveState": "active", "ActiveEnterTimestamp": f"@{since.timestamp():.0f}"}
    text = f"restarted {since:%Y-%m-%d %H:%M} (oom-kill)"
    assert health._unit(active, End(2, "oom-kill", since)) == Reading(text, ok=ok)


def test_a_failed_unit_says_why() -> None:
    assert health._unit({"ActiveState": "failed"}, End(0, "oom-kill", None)) == Reading("failed (oom-kill)", ok=False)


def releases(*revisions: str, current: str | None = "0.2.0") -> Releases:
    """From lines such as "release 0.2.0 good"."""
    parts = [revision.split() for revision in revisions]
    lines = [
        Revision("2026-11-25T08:26:27Z", "me", action, version, "-", outcome, "7") for action, version, outcome in parts
    ]
    return Releases(current, {}, lines)


@pytest.mark.parametrize(
    ("known", "said", "reading"),
    [
        (releases(current=None), [], Reading("none", ok=False)),
        (releases("release 0.2.0 good"), ["0.2.0"], Reading("0.2.0", ok=True)),
        # Put there by hand.
        (releases(), ["0.2.0"], Reading("0.2.0", ok=True)),
        (releases("release 0.2.0 good"), [], Reading("0.2.0", ok=True)),
        (releases("release 0.2.0 failed"), ["0.2.0"], Reading("0.2.0", ok=False)),
        (releases("release 0.2.0 good"), ["0.3.0"], Reading("0.3.0 runs, 0.2.0 linked", ok=False)),
    ],
)
def test_release(known: Releases, said: list[str], reading: Reading) -> None:
    assert health._release(known, said) == reading


@pytest.mark.parametrize(
    ("said", "asked", "reading"),
    [
        (["0.2.0", "up 1 a", "up 2 b", health._END], True, Reading("2 applied", ok=True)),
        (["0.2.0", "up 1 a", "down 2 b", health._END], True, Reading("1 pending", ok=False)),
        (["0.2.0", "a line of a log", health._END], True, Reading("0 applied", ok=True)),
        (["0.2.0", "up 1 a"], True, Reading("unknown", ok=False)),
        ([], True, Reading("unknown", ok=False)),
        (["0.2.0"], False, Reading("not ours", ok=True)),
    ],
)
def test_migrations(said: list[str], asked: bool, reading: Reading) -> None:
    assert health._migrations(said, asked=asked) == reading


@pytest.mark.parametrize(
    ("known", "text", "ok"),
    [
        (releases(), "none", True),
        (releases("release 0.2.0 good"), "release good 2026-11-25 08:26", True),
        (releases("release 0.2.0 failed"), "release failed 2026-11-25 08:26", False),
        (releases("rollback 0.1.0 good", "rollback 0.2.0 left"), "rollback good 2026-11-25 08:26", True),
    ],
)
def test_last(known: Releases, text: str, ok: bool) -> None:
    assert health._last(known, well=True) == Reading(text, ok=ok)


@pytest.mark.parametrize("well", [True, False])
def test_a_restart_that_failed_is_over_once_all_is_well(*, well: bool) -> None:
    known = releases("release 0.2.0 good", "restart 0.2.0 failed")
    assert health._last(known, well=well) == Reading("restart failed 2026-11-25 08:26", ok=well)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer(well=True, status="204", leads_to=""), "204 No Content"),
        (Answer(well=True, status="302", leads_to="http://stage.example.com/log_in"), "302 Found"),
        (Answer(well=False, status="301", leads_to="https://stage.example.com/"), "301 Moved Permanently"),
        (Answer(well=False, status="599", leads_to=""), "599"),
        (Answer(well=False, status="", leads_to=""), "no answer"),
        (None, "curl is missing"),
    ],
)
def test_health(answer: Answer | None, text: str) -> None:
    assert health._health(answer) == Reading(text, ok=answer is not None and answer.well)


def test_disk_is_full_at_the_bound() -> None:
    assert [health._disk(percent).ok for percent in (0, health.DISK_FULL - 1, health.DISK_FULL, None)] == [
        True, True, False, False,
    ]  # fmt: skip


def test_a_disk_that_will_be_full_is_out_of_order() -> None:
    reading = health._disk(40, (), {"/": 5, "/var": 2})
    assert reading == Reading("40 %, /var full in 2 days", ok=False)
    assert health._disk(40, (), {}) == Reading("40 %", ok=True)
    assert health._disk(40, ["full"], {"/": 0}) == Reading("full", ok=False)


def test_obstacles_are_said_where_they_are_felt() -> None:
    assert health._site("HTTP/1.1 200 OK", {"configuration"}) == Reading("nginx refuses its configuration", ok=False)
    assert health._site(None, {"nginx", "configuration"}) == Reading("nginx does not run", ok=False)
    assert health._database("8 MB", {"connections"}, managed=True) == Reading("no connections left", ok=False)
    assert health._disk(3, {"read-only"}) == Reading("read-only", ok=False)
    assert health._disk(3, {"full"}) == Reading("full", ok=False)


@pytest.mark.parametrize(
    ("site", "names", "shown"),
    [
        (Reading("200 OK", ok=True), ("stage.example.com",), Reading("200 OK", ok=True)),
        (Reading("200 OK", ok=True), ("example.org",), Reading("200 OK, certificate of other names", ok=False)),
        (Reading("502 B", ok=False), ("example.org",), Reading("502 B, certificate of other names", ok=False)),
        (Reading("no answer", ok=False), ("example.org",), Reading("no answer", ok=False)),
    ],
)
def test_a_site_with_its_certificate(
    environment: Callable[..., Environment], site: Reading, names: tuple[str, ...], shown: Reading
) -> None:
    stage = environment(tls="self_signed")
    assert health._with_certificate(site, stage, certificates.pair(*names), Order()) == shown
    assert health._with_certificate(site, stage, None, Order()) == site
