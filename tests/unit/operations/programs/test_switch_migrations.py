"""switch.sh: migrations, and the backup before them."""

import re
from collections.abc import Callable

import pytest

from group_data.schema.environment import Environment
from operations.host.rendering import render
from tests.unit.operations.programs.stubs import SETTINGS, StubHost

OLD, NEW = "20260101000000", "20260201000000"


@pytest.fixture
def pending(host: StubHost) -> StubHost:
    """One migration is applied, another one pending."""
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    return host


def test_pending_migrations_run_after_a_backup_and_before_the_restart(pending: StubHost) -> None:
    words = pending.run("release", "0.2.0")
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert f"Migrating: {NEW} name_{NEW}" in words
    places = pending.order("LIST", "pg_dump", " UP", "systemctl restart")
    assert places == sorted(places)
    [backup] = pending.backups
    assert backup.endswith("-before-0.2.0.dump")
    assert (pending.state / "backups" / backup).read_text() == "dump\n"


def test_a_migration_runs_as_the_application_in_its_sandbox(pending: StubHost) -> None:
    pending.run("release", "0.2.0")
    [call] = [call for call in pending.calls if " UP" in call]
    assert "--property=User=billing --property=MemoryMax=1M" in call
    assert "ExecStart" not in call
    assert f" {pending.root}/releases/0.2.0/bin/billing eval " in call
    assert call.endswith(" UP")


def test_a_migration_gets_the_variables_and_the_secret_variables_of_the_unit(pending: StubHost) -> None:
    """systemd takes the property twice, as it does the line of a unit."""
    unit = render("unit.service.j2", environment=Environment.model_validate(SETTINGS))
    (pending.path / "unit").write_text(unit)
    pending.run("release", "0.2.0")
    [call] = [call for call in pending.calls if " UP" in call]
    files = re.findall(r"--property=EnvironmentFile=(\S+)", call)
    assert {"/etc/default/billing_stage", "-/var/lib/billing_stage/variables.secret"} <= set(files)


def test_without_settings_of_the_unit_nothing_of_a_release_runs(pending: StubHost) -> None:
    (pending.path / "unit").write_text("[Service]\nExecStart=start\n")
    words = pending.run("release", "0.2.0")
    assert "names no user to run a command of 0.2.0 as: apply first" in words
    assert pending.log == ["release 0.2.0 ended"]
    assert pending.called("systemd-run") == 0


def test_migrations_after_the_restart(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(migrate="after")
    host.migrations("down", NEW)
    assert "release 0.2.0: done" in host.run("release", "0.2.0")
    places = host.order("systemctl restart", "pg_dump", " UP")
    assert places == sorted(places)


def test_an_application_without_migrations(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(migrate="never")
    assert "release 0.2.0: done" in host.run("release", "0.2.0")
    # The one command asks the node for its version.
    assert host.called("systemd-run --") == 1


def test_migrate_alone(pending: StubHost) -> None:
    assert pending.run("migrate").splitlines()[-1] == "migrate 0.1.0: done"
    assert pending.called(" UP") == 1
    assert pending.called("restart") == 0
    assert pending.log == ["migrate 0.1.0 good"]


def test_a_migration_that_fails(pending: StubHost) -> None:
    stub = (pending.bin / "systemd-run").read_text().replace("*UP*) [ -e", "*UP*) exit 1; [ -e")
    (pending.bin / "systemd-run").write_text(stub)
    words = pending.run("release", "0.2.0").splitlines()
    assert words[-1] == "release 0.2.0: FAILED: the migration failed, for the reason above"
    assert f"The database is as it was: applied are the migrations {OLD}." in words
    assert words[-2].startswith("The backup taken before: ")
    assert (pending.current, pending.log) == ("0.1.0", ["release 0.2.0 failed"])
    assert pending.called("restart") == 0


def test_a_migration_that_fails_halfway(pending: StubHost) -> None:
    stub = (pending.bin / "systemd-run").read_text()
    pending.stub(
        "systemd-run", stub.partition('calls"\n')[2].replace('down" >> "$HOST/up"', 'down" >> "$HOST/up"; exit 1')
    )
    words = pending.run("release", "0.2.0")
    assert f"THE DATABASE HAS CHANGED: applied are the migrations {OLD} {NEW}; before, {OLD}." in words


@pytest.mark.parametrize("stream", ["1", "2"], ids=["distillery", "mix_release"])
def test_a_database_that_cannot_be_asked_after_a_failure_is_explained(pending: StubHost, stream: str) -> None:
    stub = (pending.bin / "systemd-run").read_text().partition('calls"\n')[2]
    broken = f"[ ! -e $HOST/broken ] || {{ echo migrations:; echo the password is wrong >&{stream}; exit 1; }}\n"
    pending.stub("systemd-run", broken + stub.replace("*UP*) [ -e", '*UP*) : > "$HOST/broken"; exit 1; [ -e'))
    words = pending.run("release", "0.2.0").splitlines()
    assert words.count("the password is wrong") == 1
    assert f"Where the database stands could not be asked; before, these migrations were applied: {OLD}" in words


def test_the_release_of_a_migration_has_no_directory_of_the_running_one(pending: StubHost) -> None:
    pending.run("migrate")
    for call in pending.calls:
        if call.startswith("systemd-run "):
            assert "--property=TemporaryFileSystem=/dev/shm:" in call
            assert " -- /usr/bin/env RELEASE_MUTABLE_DIR=/dev/shm/release RELEASE_TMP=/dev/shm/release " in call
    assert pending.called("systemd-run") > 1


def test_a_migration_that_changed_nothing_is_no_success(pending: StubHost) -> None:
    (pending.path / "deaf").touch()
    last = pending.run("release", "0.2.0").splitlines()[-1]
    assert f"these migrations are still pending: {NEW}" in last
    assert pending.log == ["release 0.2.0 failed"]
    assert pending.current == "0.1.0"


def test_a_release_that_cannot_list_its_migrations(host: StubHost) -> None:
    host.stub("systemd-run", "echo migrations:; echo it is broken >&2; exit 1\n")
    words = host.run("release", "0.2.0")
    assert "it is broken" in words
    assert "0.2.0 cannot say which migrations it has, for the reason above" in words
    assert host.log == ["release 0.2.0 failed"]


def test_words_that_are_no_list_are_not_taken_for_none_pending(host: StubHost) -> None:
    host.stub("systemd-run", "echo migrations:\necho 'status: unknown'\n")
    words = host.run("release", "0.2.0")
    assert "status: unknown\n" in words
    assert "migrations_command printed no line with up or down, version and name" in words
    assert "0.2.0 cannot say which migrations it has, for the reason above" in words
    assert host.log == ["release 0.2.0 failed"]


# By what is wrong: the stub of runuser, and words of the reason.
@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        ("exit 2\n", "PostgreSQL does not answer"),
        ("echo 9999999999999999\n", "a backup of the database may need"),
        (
            'case "$*" in *pg_dump*) echo half; exit 1 ;; *) echo 1000 ;; esac\n',
            "the database could not be backed up, for the reason above; it was not touched",
        ),
    ],
)
def test_no_migration_without_a_backup(pending: StubHost, stub: str, reason: str) -> None:
    pending.stub("runuser", stub)
    assert reason in pending.run("release", "0.2.0").splitlines()[-1]
    assert pending.called(" UP") == 0
    assert pending.backups == []
    assert pending.log == ["release 0.2.0 ended"]


def test_a_database_elsewhere_has_its_backups_elsewhere(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(database_managed=False)
    host.migrations("down", NEW)
    words = host.run("release", "0.2.0")
    assert "No backup: the database is managed elsewhere, and so are its backups." in words
    assert "release 0.2.0: done" in words
    assert host.called("runuser") == 0


def test_as_many_backups_stay_as_releases(pending: StubHost) -> None:
    for day in range(1, 6):
        (pending.state / f"backups/2026010{day}-000000-before-0.1.0.dump").touch()
    pending.run("release", "0.2.0")
    assert [name[:8] for name in pending.backups[:-1]] == ["20260104", "20260105"]
    assert len(pending.backups) == 3


def test_an_expression_arrives_as_it_was_written(stub_host: Callable[..., StubHost]) -> None:
    """systemd takes $$ in an argument for $."""
    host = stub_host(migrate_command='UP "$HOME ${X} $$"')
    host.migrations("down", NEW)
    host.run("release", "0.2.0")
    [call] = [call for call in host.calls if " UP" in call]
    assert call.endswith(' UP "$$HOME $${X} $$$$"')


def test_where_the_database_stands_cannot_be_asked(pending: StubHost) -> None:
    body = (pending.bin / "systemd-run").read_text().partition('calls"\n')[2]
    pending.stub("systemd-run", f'grep -qw UP "$HOST/calls" && exit 1\n{body}')
    words = pending.run("release", "0.2.0").splitlines()
    assert f"Where the database stands could not be asked; before, these migrations were applied: {OLD}" in words
    assert words[-1] == "release 0.2.0: FAILED: the migration failed, for the reason above"


def test_migrations_after_the_restart_that_fail(stub_host: Callable[..., StubHost]) -> None:
    """The new version serves already: the one before comes back all the same."""
    host = stub_host(migrate="after")
    host.migrations("down", NEW)
    (host.path / "deaf").touch()
    words = host.run("release", "0.2.0")
    assert "these migrations are still pending" in words.splitlines()[-1]
    assert "0.1.0 runs and answers again." in words
    assert (host.current, host.log) == ("0.1.0", ["release 0.2.0 failed"])


def test_a_list_of_migrations_writes_no_notes_of_its_own(host: StubHost) -> None:
    """The application prints the list, and must not say that its own release is good."""
    host.stub("systemd-run", r"""printf '%s\n' 'up -e x' 'up x\nfinished=yes x'""" + "\n")
    host.stub("node", "exit 1\n")
    assert "FAILED: " in host.run("release", "0.2.0").splitlines()[-1]
    assert host.log == ["release 0.2.0 failed"]


def test_a_migration_may_have_quotes_in_its_name(pending: StubHost) -> None:
    body = (pending.bin / "systemd-run").read_text().partition('calls"\n')[2]
    pending.stub("systemd-run", body.replace("name_$version", "don't_$version"))
    assert "release 0.2.0: done" in pending.run("release", "0.2.0")


def test_a_list_that_is_empty_afterwards_proves_nothing(pending: StubHost) -> None:
    body = (pending.bin / "systemd-run").read_text().partition('calls"\n')[2]
    empty = "echo migrations:; exit 0"
    once = f'[ ! -e "$HOST/asked" ] || case "$*" in *LIST*) {empty} ;; esac\n: > "$HOST/asked"\n'
    pending.stub("systemd-run", once + body)
    assert f"still pending: {NEW}" in pending.run("migrate").splitlines()[-1]
    assert pending.log == ["migrate 0.1.0 failed"]
