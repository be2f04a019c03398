"""Migrations: their backup, and whether the database says that they came about."""

from collections.abc import Callable

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND, THIRD
from tests.unit.operations.programs.stubs import World

MIGRATE = "billing eval Billing.Release.migrate()"
DOWN = "billing eval Billing.Release.rollback(Billing.Repo"


@pytest.fixture
def three(make_world: Callable[..., World]) -> World:
    """A host where 0.3.0 brings two migrations more than 0.1.0, which runs."""
    world = make_world()
    world.unpack("0.3.0", FIRST, SECOND, THIRD)
    return world


def test_a_migration_fails(three: World) -> None:
    three.break_release("0.3.0", "migrates 0 1")
    run = three.run("release", "0.3.0")
    assert run.last == "release 0.3.0: FAILED: the migration failed, for the reason above"
    assert "the application's own words about the migration" in run.lines
    assert f"The database is as it was: applied are the migrations {FIRST}." in run.lines
    assert f"The backup taken before: {three.state}/backups/{three.backups[0]}" in run.lines
    assert (three.order("systemctl restart"), three.linked) == ([], "releases/0.1.0")
    assert three.log == [("release", "0.3.0", "failed")]


def test_a_migration_fails_after_another_one(three: World) -> None:
    three.break_release("0.3.0", "migrates 1 1")
    run = three.run("release", "0.3.0")
    assert f"THE DATABASE HAS CHANGED: applied are the migrations {FIRST} {SECOND}; before, {FIRST}." in run.lines
    assert run.last == "release 0.3.0: FAILED: the migration failed, for the reason above"


def test_where_the_database_stands_cannot_be_asked(three: World) -> None:
    three.hook("billing", 'case $2 in *migrate*) touch "$WORLD/gone" ;; esac; [ ! -e "$WORLD/gone" ] || exit 1')
    run = three.run("release", "0.3.0")
    assert f"Where the database stands could not be asked; before, these migrations were applied: {FIRST}" in run.lines
    assert run.last == "release 0.3.0: FAILED: the migration failed, for the reason above"


def test_the_database_is_asked_after_migrating(three: World) -> None:
    three.break_release("0.3.0", "migrates 1 0")
    run = three.run("release", "0.3.0")
    assert run.last == (
        "release 0.3.0: FAILED: the migration ended without an error, and these migrations are still pending: "
        f"{THIRD} add_due"
    )
    assert (three.running, three.order("systemctl restart")) == ("0.1.0", [])


@pytest.mark.parametrize("action", [["migrate-down"], ["rollback", "0.1.0"]])
def test_the_database_is_asked_after_taking_back(three: World, action: list[str]) -> None:
    three.runs("0.3.0", FIRST, SECOND, THIRD)
    three.break_release("0.3.0", "migrates 1 0")
    run = three.run(*action, SECOND)
    assert run.last.split(": FAILED: ")[1] == (
        f"taking back ended without an error, and these migrations are still applied: {THIRD}"
    )
    assert (three.running, three.log[-1][2]) == ("0.3.0", "failed")


def test_a_release_that_cannot_say_which_migrations_it_has(world: World) -> None:
    world.hook("billing", "exit 1")
    run = world.run("release", "0.2.0")
    assert run.last == (
        "release 0.2.0: FAILED: 0.2.0 cannot say which migrations it has, for the reason above: mend it, or set "
        "migrations_command, or migrate = 'never'"
    )
    assert (world.backups, world.order(MIGRATE)) == ([], [])


# --- A migration whose file the release does not have -----------------------------------------------------------------


@pytest.mark.parametrize("action", [["migrate-down"], ["rollback", "0.2.0"]])
def test_a_migration_without_its_file_is_refused(world: World, action: list[str]) -> None:
    """Ecto passes over it, and says that all is well."""
    world.runs("0.1.0", FIRST, SECOND)
    run = world.run(*action, SECOND)
    assert (run.status, run.last.split(": FAILED: ")[1]) == (
        1,
        f"0.1.0 does not have the file of migration {SECOND} and cannot take it back; 0.2.0 has it: "
        f"make release VERSION=0.2.0, then make rollback MIGRATE_DOWN={SECOND}",
    )
    assert (world.backups, world.applied, world.order(DOWN)) == ([], [FIRST, SECOND], [])
    assert world.log[-1][2] == "failed"


def test_a_later_migration_without_its_file_is_refused(three: World) -> None:
    three.runs("0.2.0", FIRST, SECOND, THIRD)
    run = three.run("migrate-down", SECOND)
    assert f"0.2.0 does not have the file of migration {THIRD} and cannot take it back; 0.3.0 has it" in run.last
    assert (three.backups, three.applied) == ([], [FIRST, SECOND, THIRD])


def test_an_earlier_migration_without_its_file_is_in_nobodys_way(world: World) -> None:
    world.unpack("0.4.0", SECOND)
    world.runs("0.4.0", FIRST, SECOND)
    assert world.run("migrate-down", SECOND).last == "migrate-down 0.4.0: done"
    assert world.applied == [FIRST]


def test_no_release_has_the_file(world: World) -> None:
    world.runs("0.2.0", FIRST, SECOND, THIRD)
    assert world.run("migrate-down", THIRD).last == (
        f"migrate-down 0.2.0: FAILED: neither 0.2.0 nor another release on this host has the file of migration {THIRD}, "
        "so nothing can take it back: release a version that has it"
    )


# --- The backup -------------------------------------------------------------------------------------------------------

BACKUP_FAILS = {
    "PostgreSQL is silent": ("psql", "exit 2", "PostgreSQL does not answer"),
    "no space": (
        "df",
        "echo Avail; echo 1048576; exit",
        "a backup of the database may need 5 MiB in {state}, and 1 are free: make room there",
    ),
    "pg_dump fails": (
        "pg_dump",
        "printf half; exit 1",
        "the database could not be backed up, for the reason above; it was not touched",
    ),
}


@pytest.mark.parametrize(("command", "line", "reason"), BACKUP_FAILS.values(), ids=list(BACKUP_FAILS))
def test_without_a_backup_nothing_is_migrated(world: World, command: str, line: str, reason: str) -> None:
    world.hook(command, line)
    run = world.run("release", "0.2.0")
    assert run.last == f"release 0.2.0: FAILED: {reason.format(state=world.state)}"
    assert (world.backups, world.applied, world.order(MIGRATE)) == ([], [FIRST], [])
    assert (world.linked, world.log) == ("releases/0.1.0", [("release", "0.2.0", "failed")])


def test_without_its_unit_the_application_runs_nothing_as_root(world: World) -> None:
    (world.path / world.environment.unit_path.lstrip("/")).unlink()
    run = world.run("release", "0.2.0")
    assert "FAILED: 0.2.0 cannot say which migrations it has" in run.last
    assert (world.order("systemd-run"), world.log) == ([], [("release", "0.2.0", "failed")])
