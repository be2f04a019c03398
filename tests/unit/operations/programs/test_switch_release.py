"""A release that goes well."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World

RESTART = "systemctl restart billing_stage.service"


def test_a_release_migrates_after_a_backup_links_and_restarts_once(world: World) -> None:
    run = world.run("release", "0.2.0")
    assert (run.status, run.last) == (0, "release 0.2.0: done")
    assert (world.linked, world.running, world.applied) == ("releases/0.2.0", "0.2.0", [FIRST, SECOND])
    assert world.order("pg_dump", "billing eval Billing.Release.migrate()", RESTART, "curl", "setpriv") == [
        "pg_dump", "billing eval Billing.Release.migrate()", RESTART, "curl", "setpriv", "curl",
    ]  # fmt: skip
    assert f"Migrating: {SECOND} add_paid" in run.lines
    assert "0.2.0 runs and answers." in run.lines
    assert not world.progress.exists()


def test_a_line_of_the_log(world: World) -> None:
    before = int(time.time())
    world.run("release", "0.2.0")
    [[when, *others, seconds]] = world.log_fields
    assert others == ["alice@desk", "release", "0.2.0", "abc1234", "good"]
    logged = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert before <= logged <= time.time()
    assert 0 <= int(seconds) <= time.time() - before


def test_the_first_release(make_world: Callable[..., World]) -> None:
    world = make_world()
    world.link.unlink()
    world.apply()
    run = world.run("release", "0.1.0")
    assert run.last == "release 0.1.0: done"
    assert (world.linked, world.running, world.applied) == ("releases/0.1.0", "0.1.0", [FIRST])
    assert world.log == [("release", "0.1.0", "good")]


def test_nothing_is_pending(world: World) -> None:
    world.apply(FIRST, SECOND)
    run = world.run("release", "0.2.0")
    assert "No migration is pending." in run.lines
    assert (run.last, world.backups) == ("release 0.2.0: done", [])
    assert world.order("billing eval Billing.Release.migrate()") == []


def test_it_migrates_after_the_check(make_world: Callable[..., World]) -> None:
    world = make_world(migrate="after")
    run = world.run("release", "0.2.0")
    assert (run.last, world.applied) == ("release 0.2.0: done", [FIRST, SECOND])
    assert run.lines.index("0.2.0 runs and answers.") < run.lines.index(f"Migrating: {SECOND} add_paid")
    assert world.order(RESTART, "pg_dump", "billing eval Billing.Release.migrate()") == [
        RESTART, "pg_dump", "billing eval Billing.Release.migrate()",
    ]  # fmt: skip


def test_it_never_migrates(make_world: Callable[..., World]) -> None:
    world = make_world(migrate="never")
    assert world.run("release", "0.2.0").last == "release 0.2.0: done"
    assert (world.applied, world.backups) == ([FIRST], [])
    assert world.order("systemd-run", "runuser") == []


def test_a_database_elsewhere_is_not_backed_up(make_world: Callable[..., World]) -> None:
    world = make_world(database_managed=False, database_host="db.example.com", database_port=25060)
    run = world.run("release", "0.2.0")
    assert "No backup: the database is managed elsewhere, and so are its backups." in run.lines
    assert (run.last, world.applied, world.backups) == ("release 0.2.0: done", [FIRST, SECOND], [])
    assert world.order("runuser") == []


def test_a_migration_runs_as_the_unit_does_but_for_its_start_and_end(world: World) -> None:
    world.run("release", "0.2.0")
    [migration] = [call for call in world.calls if call.startswith("systemd-run") and "Release.migrate()" in call]
    options = migration.split(" -- ")[0].split()
    for option in ("--unit=billing_stage-task.service", "--property=User=billing", "--property=ProtectSystem=strict"):
        assert option in options
    assert f"--property=WorkingDirectory={world.root}/releases/0.2.0" in options
    assert not [word for word in options if re.match("--property=(ExecStart|Restart|Type|KillMode|Wants)", word)]


def test_an_expression_arrives_as_it_was_written(make_world: Callable[..., World]) -> None:
    """systemd takes $$ in an argument for $."""
    expression = 'IO.puts("$HOME ${X} $$ %n"); Billing.Release.migrate()'
    world = make_world(migrate_command=expression)
    world.hook("billing", 'case $2 in IO*) printf "%s" "$2" > "$WORLD/expression"; set -- eval "${2#*; }" ;; esac')
    assert world.run("release", "0.2.0").last == "release 0.2.0: done"
    assert (world.path / "expression").read_text() == expression


def test_it_waits_for_a_release_that_starts_slowly(world: World) -> None:
    world.hook("curl", 'case $(grep -c "^sleep 0.3" "$WORLD/calls") in [0-2]) printf 000; exit 7 ;; esac')
    assert world.run("release", "0.2.0").last == "release 0.2.0: done"
    assert world.order("sleep 0.3", "sleep 1") == ["sleep 0.3"] * 3 + ["sleep 1"] * 2


def test_old_backups_go(make_world: Callable[..., World]) -> None:
    world = make_world(keep_releases=3)
    old = [f"2026010{day}-120000-before-0.0.{day}.dump" for day in range(1, 6)]
    for name in old:
        (world.state / "backups" / name).touch()
    world.run("release", "0.2.0")
    assert world.backups[:2] == old[-2:]
    [new] = world.backups[2:]
    assert re.fullmatch(r"\d{8}-\d{6}-before-0\.2\.0\.dump", new)
    file = world.state / "backups" / new
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"dump with {FIRST} ", 0o600)


@pytest.mark.parametrize("before", ["0.1.0", "", None])
def test_the_release_that_ran_when_the_plan_was_made(world: World, before: str | None) -> None:
    variables = {} if before is None else {"BEFORE": before}
    assert world.run("release", "0.2.0", **variables).last == "release 0.2.0: done"


def test_no_release_ran_when_the_plan_was_made(world: World) -> None:
    world.link.unlink()
    assert world.run("release", "0.2.0", BEFORE="-").last == "release 0.2.0: done"


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        ("0.1.0", "0.0.9", "0.1.0 runs now, and 0.0.9 ran when the plan was made"),
        ("0.1.0", "-", "0.1.0 runs now, and no release ran when the plan was made"),
        ("", "0.1.0", "no release runs now, and 0.1.0 ran when the plan was made"),
    ],
)
@pytest.mark.parametrize("action", [["release", "0.2.0"], ["rollback", "0.2.0"], ["migrate"], ["restart"]])
def test_another_release_runs_by_now(world: World, action: list[str], now: str, before: str, words: str) -> None:
    if not now:
        world.link.unlink()
    run = world.run(*action, BEFORE=before)
    assert (run.status, run.last) == (1, f"FAILED: {words}: make the plan again. Nothing was changed")
    assert (world.log, world.calls, world.progress.exists()) == ([], [], False)
    assert world.linked == (f"releases/{now}" if now else "")
