"""Rollback, restart and migrations of the release that runs."""

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND, THIRD
from tests.unit.operations.programs.stubs import World

RESTART = "systemctl restart billing_stage.service"


@pytest.fixture
def on_new(world: World) -> World:
    """A host with 0.2.0 running, both migrations applied, and 0.1.0 unpacked."""
    world.runs("0.2.0", FIRST, SECOND)
    return world


def test_a_rollback_leaves_the_database(on_new: World) -> None:
    run = on_new.run("rollback", "0.1.0")
    assert (run.status, run.last) == (0, "rollback 0.1.0: done")
    assert (on_new.linked, on_new.running, on_new.applied) == ("releases/0.1.0", "0.1.0", [FIRST, SECOND])
    assert on_new.order("systemd-run", "runuser") == []
    # Somebody had a reason to leave 0.2.0.
    assert [fields[1:6] for fields in on_new.log_fields] == [
        ["alice@desk", "rollback", "0.1.0", "abc1234", "good"],
        ["alice@desk", "rollback", "0.2.0", "abc1234", "left"],
    ]


def test_a_rollback_takes_migrations_back_with_the_release_that_has_them(on_new: World) -> None:
    run = on_new.run("rollback", "0.1.0", SECOND)
    assert run.last == "rollback 0.1.0: done"
    assert (on_new.running, on_new.applied, len(on_new.backups)) == ("0.1.0", [FIRST], 1)
    down = f"billing eval Billing.Release.rollback(Billing.Repo, {SECOND})"
    assert on_new.order("pg_dump", down, RESTART) == ["pg_dump", down, RESTART]


def test_a_rollback_that_fails_says_nothing_against_the_release_left(on_new: World) -> None:
    on_new.break_release("0.1.0", "does not start")
    assert on_new.run("rollback", "0.1.0").last == "rollback 0.1.0: FAILED: billing_stage.service ended by itself"
    assert (on_new.linked, on_new.running) == ("releases/0.2.0", "0.2.0")
    assert on_new.log == [("rollback", "0.1.0", "failed")]


def test_a_rollback_whose_migration_fails_does_not_switch(on_new: World) -> None:
    on_new.break_release("0.2.0", "migrates 0 1")
    run = on_new.run("rollback", "0.1.0", SECOND)
    assert run.last == "rollback 0.1.0: FAILED: the migration failed, for the reason above"
    assert (on_new.running, on_new.applied, on_new.order(RESTART)) == ("0.2.0", [FIRST, SECOND], [])


def test_a_restart(world: World) -> None:
    assert world.run("restart").last == "restart 0.1.0: done"
    assert (world.order(RESTART, "curl", "setpriv"), world.log) == (
        [RESTART, "curl", "setpriv", "curl"],
        [("restart", "0.1.0", "good")],
    )


def test_a_restart_that_fails_leaves_the_release_linked(world: World) -> None:
    """There is nothing to go back to: systemd goes on starting it."""
    world.break_release("0.1.0", "does not start")
    run = world.run("restart")
    assert (run.status, run.last) == (1, "restart 0.1.0: FAILED: billing_stage.service ended by itself")
    assert (world.linked, world.log) == ("releases/0.1.0", [("restart", "0.1.0", "failed")])
    assert world.order(RESTART, "systemctl stop billing_stage.service", "systemctl kill") == [RESTART]


def test_a_restart_that_systemd_refuses(world: World) -> None:
    """The process from before would answer as well as ever."""
    world.hook("systemctl", '[ "$1" != restart ] || { echo "Unit is masked." >&2; exit 1; }')
    run = world.run("restart")
    assert run.last == "restart 0.1.0: FAILED: systemd did not restart billing_stage.service, for the reason above"
    assert (world.log, "Unit is masked." in run.lines) == ([("restart", "0.1.0", "failed")], True)


def test_migrate(on_new: World) -> None:
    on_new.apply(FIRST)
    assert on_new.run("migrate").last == "migrate 0.2.0: done"
    assert (on_new.applied, len(on_new.backups), on_new.order(RESTART)) == ([FIRST, SECOND], 1, [])
    assert on_new.log == [("migrate", "0.2.0", "good")]


def test_migrate_that_fails(on_new: World) -> None:
    on_new.apply(FIRST)
    on_new.break_release("0.2.0", "migrates 0 1")
    assert on_new.run("migrate").last == "migrate 0.2.0: FAILED: the migration failed, for the reason above"
    assert (on_new.running, on_new.linked, on_new.order(RESTART)) == ("0.2.0", "releases/0.2.0", [])


def test_migrate_down(on_new: World) -> None:
    assert on_new.run("migrate-down", SECOND).last == "migrate-down 0.2.0: done"
    assert (on_new.applied, len(on_new.backups), on_new.order(RESTART)) == ([FIRST], 1, [])


def test_migrate_down_takes_back_all_from_there(on_new: World) -> None:
    assert on_new.run("migrate-down", FIRST).last == "migrate-down 0.2.0: done"
    assert on_new.applied == []


@pytest.mark.parametrize(
    ("migration", "reason"),
    [
        (THIRD, f"migration {THIRD} is not applied, or 0.2.0 does not know it; applied: {FIRST} {SECOND}"),
        ("2026", f"migration 2026 is not applied, or 0.2.0 does not know it; applied: {FIRST} {SECOND}"),
        ("all", "the version of a migration is a number: all is none"),
        ("1); System.halt(", "the version of a migration is a number: 1); System.halt( is none"),
    ],
)
@pytest.mark.parametrize("action", [["migrate-down"], ["rollback", "0.1.0"]])
def test_migrate_down_to_none(on_new: World, action: list[str], migration: str, reason: str) -> None:
    run = on_new.run(*action, migration)
    assert (run.status, run.last.split(": FAILED: ")[1]) == (1, reason)
    assert (on_new.applied, on_new.backups, on_new.running) == ([FIRST, SECOND], [], "0.2.0")
