"""switch.sh: rollbacks, and migrations that are taken back."""

import pytest

from tests.unit.operations.programs.stubs import StubHost

OLD, NEW, NEWER = "20260101000000", "20260201000000", "20260301000000"


@pytest.fixture
def migrated(host: StubHost) -> StubHost:
    """Two migrations are applied, and 0.1.0 and 0.2.0 know both of them; taking back leaves the first one."""
    host.migrations("up", f"{OLD} {NEW}")
    host.migrations("left", OLD)
    return host


def test_a_rollback(host: StubHost) -> None:
    host.link("0.2.0")
    assert host.run("rollback", "0.1.0").splitlines()[-1] == "rollback 0.1.0: done"
    assert host.current == "0.1.0"
    assert host.log == ["rollback 0.1.0 good", "rollback 0.2.0 left"]
    assert host.called("systemd-run --") == 1


def test_a_rollback_that_takes_a_migration_back_first(migrated: StubHost) -> None:
    migrated.link("0.2.0")
    words = migrated.run("rollback", "0.1.0", NEW)
    assert words.splitlines()[-1] == "rollback 0.1.0: done"
    places = migrated.order("pg_dump", f" DOWN {NEW}", "systemctl restart")
    assert places == sorted(places)
    assert migrated.current == "0.1.0"


def test_taking_a_migration_back(migrated: StubHost) -> None:
    assert migrated.run("migrate-down", NEW).splitlines()[-1] == "migrate-down 0.1.0: done"
    assert migrated.called(f" DOWN {NEW}") == 1
    assert migrated.log == ["migrate-down 0.1.0 good"]
    assert len(migrated.backups) == 1


@pytest.mark.parametrize(
    ("migration", "reason"),
    [
        (NEWER, f"migration {NEWER} is not applied, or 0.1.0 does not know it; applied: {OLD} {NEW}"),
        ("all", "the version of a migration is a number: all is none"),
    ],
)
def test_a_migration_that_cannot_be_taken_back(migrated: StubHost, migration: str, reason: str) -> None:
    assert migrated.run("migrate-down", migration).splitlines()[-1].endswith(f"FAILED: {reason}")
    assert migrated.backups == []
    assert migrated.called("DOWN") == 0


def test_a_migration_without_its_file_is_refused_with_the_release_that_has_it(host: StubHost) -> None:
    host.migrations("up", OLD)
    host.migrations("gone", NEW)
    host.unpack("0.3.0", OLD, NEW)
    last = host.run("migrate-down", NEW).splitlines()[-1]
    assert "0.1.0 cannot take back what it does not have the files of" in last
    assert (
        f"{NEW}; 0.3.0 has them: make release ENV=root VERSION=0.3.0, then make rollback ENV=root MIGRATE_DOWN={NEW}"
        in last
    )
    assert (host.backups, host.called("DOWN"), host.log) == ([], 0, ["migrate-down 0.1.0 failed"])


def test_the_advice_names_the_asked_migration_and_a_version(host: StubHost) -> None:
    host.migrations("up", NEW)
    host.migrations("gone", NEWER)
    for version in ("0.3.0", "copy of 0.3.0"):
        host.unpack(version, NEW, NEWER)
    last = host.run("migrate-down", NEW).splitlines()[-1]
    assert last.endswith(f"make release ENV=root VERSION=0.3.0, then make rollback ENV=root MIGRATE_DOWN={NEW}")


def test_a_migration_below_one_without_its_file_is_refused(host: StubHost) -> None:
    host.migrations("up", NEW)
    host.migrations("gone", NEWER)
    host.unpack("0.3.0", NEW)
    last = host.run("migrate-down", NEW).splitlines()[-1]
    assert f"no release on this host has the files of the migrations to take back: {NEWER}" in last
    assert host.called("DOWN") == 0


def test_an_older_migration_without_its_file_does_not_matter(migrated: StubHost) -> None:
    migrated.migrations("gone", "20250101000000")
    assert "migrate-down 0.1.0: done" in migrated.run("migrate-down", NEW)


def test_a_migration_that_is_still_applied_is_no_success(migrated: StubHost) -> None:
    (migrated.path / "deaf").touch()
    last = migrated.run("migrate-down", OLD).splitlines()[-1]
    assert f"these migrations are still applied: {OLD} {NEW}" in last
    assert migrated.log == ["migrate-down 0.1.0 failed"]


def test_a_rollback_whose_migration_is_still_applied_switches_nothing(migrated: StubHost) -> None:
    migrated.link("0.2.0")
    (migrated.path / "deaf").touch()
    assert "these migrations are still applied" in migrated.run("rollback", "0.1.0", NEW).splitlines()[-1]
    assert (migrated.current, migrated.called("restart"), migrated.log) == ("0.2.0", 0, ["rollback 0.1.0 failed"])


def test_a_rollback_to_a_bad_release_ends_with_the_one_that_ran(host: StubHost) -> None:
    """And says nothing against that one."""
    host.link("0.2.0")
    host.stub("node", '[ "$(grep -c ^node "$HOST/calls")" -gt 1 ] && echo 0.2.0 || exit 1\n')
    words = host.run("rollback", "0.1.0")
    assert "0.2.0 runs and answers again." in words
    assert (host.current, host.log) == ("0.2.0", ["rollback 0.1.0 failed"])


@pytest.mark.parametrize("action", [["migrate"], ["migrate-down", NEW]])
def test_migrations_of_no_release(host: StubHost, action: list[str]) -> None:
    host.link(None)
    assert "there is no release yet: make release ENV=stage" in host.run(*action).splitlines()[-1]
    assert host.called("systemd-run") == 0
