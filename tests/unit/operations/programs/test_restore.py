"""switch.sh restore: a dump goes into a database of its own, as a role of its own, and takes the place of the old one."""

import hashlib
from collections.abc import Callable

import pytest

from tests.unit.operations.programs.interruption import interrupt_there, stand_still
from tests.unit.operations.programs.stubs import END, SYSTEMCTL, StubHost

NAME = "20260101-000000-1-before-0.2.0.dump"
APPLIED = "20260101000000"

# PostgreSQL as files: a database or a role is one. The contents of a dump are its lines.
_POSTGRESQL = f"""\
case "$*" in
    *"SHOW data_directory"*) echo "$HOST" ;;
    *"pg_restore --list"*) cat ;;
    *pg_restore*) cat > /dev/null; [ ! -e "$HOST/broken" ] || {{ echo "relation is broken" >&2; exit 1; }} ;;
    *"VALUES (1)"*) cat "$HOST/foreign" 2> /dev/null || true ;;
    *"bool_or(trusted)"*) case "$*" in *citext*) echo t ;; *) echo f ;; esac ;;
    *"datname ~"*) cat "$HOST/older" 2> /dev/null || true ;;
    *"datname ="*) [ ! -e "$HOST/renamed" ] || echo 1 ;;
    *--command*) ;;
    *)
        sql=$(cat)
        for database; do :; done
        printf '%s{END}\\n' "sql $database: $sql" >> "$HOST/calls"
        case $sql in
            *pg_class*) cat "$HOST/tables" ;;
            *schema_migrations*) cat "$HOST/applied" ;;
            *RENAME*)
                [ ! -e "$HOST/connected" ] || {{ echo "it is being accessed by other users" >&2; exit 3; }}
                : > "$HOST/renamed" ;;
            *"FROM pg_catalog.pg_extension"*) echo hstore ;;
        esac ;;
esac
"""
CONTENTS = """\
;
3; 3079 16386 EXTENSION - citext
3430; 0 0 COMMENT - EXTENSION citext
4; 3079 16387 EXTENSION - hstore
3431; 0 0 COMMENT - EXTENSION hstore
215; 1259 16390 TABLE public invoices billing_stage
3420; 0 16390 TABLE DATA public invoices billing_stage
3432; 0 0 ACL public TABLE invoices billing_stage
"""


@pytest.fixture
def make(stub_host: Callable[..., StubHost]) -> Callable[..., StubHost]:
    """Makes a host with one dump, and these settings."""

    def made(contents: str = CONTENTS, **settings: object) -> StubHost:
        host = stub_host(**settings)
        (host.state / "backups" / NAME).write_text(contents)
        about = f"number=1\nmigrations={APPLIED}\ndatabase_size=1\nsha256={checksum(contents)}\n"
        (host.state / f"backups/{NAME}.about").write_text(about)
        host.migrations("up", APPLIED)
        (host.path / "applied").write_text(f"{APPLIED}\n")
        (host.path / "tables").write_text("1\n")
        host.stub("runuser", _POSTGRESQL)
        host.stub("mktemp", 'list=$HOST/${1##*/}; : > "$list"; echo "$list"\n')
        host.stub("chown", "")
        return host

    return made


def checksum(contents: str = CONTENTS) -> str:
    return hashlib.sha256(contents.encode()).hexdigest()


def test_a_restore(make: Callable[..., StubHost]) -> None:
    host = make()
    words = host.run("restore", NAME, checksum()).splitlines()
    assert words[-1] == "restore 0.1.0: done"
    places = host.order(
        "CREATE DATABASE", "pg_restore --host", "systemctl stop billing_stage", "RENAME", "systemctl restart"
    )
    assert places == sorted(places)
    assert host.log == ["restore 0.1.0 good"]
    assert not host.is_busy


def test_nothing_is_restored_as_the_superuser(make: Callable[..., StubHost]) -> None:
    host = make()
    host.run("restore", NAME, checksum())
    calls = [
        call for call in host.calls if call.startswith("runuser") and "pg_restore" in call and "--list" not in call
    ]
    assert calls
    for call in calls:
        assert "--host 127.0.0.1 " in call or "--host localhost " in call
        assert "--username billing_stage_restore " in call
        assert "--role billing_stage " in call
    [created] = [call for call in host.calls if "CREATE ROLE" in call]
    assert "SUPERUSER" not in created
    assert 'IN ROLE "billing_stage"' in created


def test_the_password_of_the_role_is_in_no_argument(make: Callable[..., StubHost]) -> None:
    host = make()
    host.run("restore", NAME, checksum())
    [created] = [call for call in host.calls if "CREATE ROLE" in call]
    password = created.partition("PASSWORD '")[2].partition("'")[0]
    assert len(password) > 20
    assert host.called(password) == 1
    assert created.startswith("sql ")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("broken", "", "the dump could not be restored, for the reason above; the database was not touched"),
        ("tables", "0\n", "the dump has 1 tables and the restored database 0"),
        ("connected", "", "the databases could not be renamed, for the reason above; the database is as it was"),
        ("foreign", "database\n", "the database billing_stage_restore is there and no restore made it"),
    ],
)
def test_what_fails_leaves_the_database_as_it_was(
    make: Callable[..., StubHost], file: str, content: str, reason: str
) -> None:
    host = make()
    (host.path / file).write_text(content)
    words = host.run("restore", NAME, checksum())
    assert reason in words.splitlines()[-1]
    assert "The database billing_stage is as it was" in words
    assert not (host.path / "renamed").exists()
    assert host.log == ["restore 0.1.0 ended"]
    assert (host.current, host.is_busy) == ("0.1.0", False)
    assert [name for name in host.path.iterdir() if name.name.startswith("billing_stage_restore")] == []
    dropped = [call for call in host.calls if "DROP DATABASE" in call]
    assert bool(dropped) == (file != "foreign")


def test_other_migrations_than_are_noted_for_the_dump(make: Callable[..., StubHost]) -> None:
    """Of Ecto's own table; what migrations_command lists may be elsewhere."""
    host = make(migrations_command=None)
    (host.path / "applied").write_text("20260301000000\n")
    last = host.run("restore", NAME, checksum()).splitlines()[-1]
    assert f"has the migrations 20260301000000, and {APPLIED} are noted for the dump" in last
    assert not (host.path / "renamed").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("../x.dump", "?"), "../x.dump is no name of a dump"),
        (("20260101-000000-9-before-0.2.0.dump", "?"), "there is no dump 20260101-000000-9-before-0.2.0.dump"),
        ((NAME, "0" * 64), "is another one than in the plan: make the plan again"),
    ],
)
def test_another_dump_than_in_the_plan(make: Callable[..., StubHost], arguments: tuple[str, str], reason: str) -> None:
    host = make()
    assert reason in host.run("restore", *arguments).splitlines()[-1]
    assert host.called("CREATE DATABASE") == 0


def test_a_damaged_dump(make: Callable[..., StubHost]) -> None:
    host = make()
    (host.state / "backups" / NAME).write_text(CONTENTS + ";")
    assert "is damaged: its checksum differs" in host.run("restore", NAME, checksum()).splitlines()[-1]
    assert host.called("CREATE DATABASE") == 0


def test_an_extension_that_only_a_superuser_can_make(make: Callable[..., StubHost]) -> None:
    contents = CONTENTS + "5; 3079 1 EXTENSION - plpython3u\n6; 3079 1 EXTENSION - file_fdw\n"
    last = make(contents).run("restore", NAME, checksum(contents)).splitlines()[-1]
    assert "the dump has extensions that only a superuser can make: plpython3u file_fdw. Name them in" in last
    host = make(contents, database_extensions=["plpython3u", "file_fdw"])
    assert host.run("restore", NAME, checksum(contents)).splitlines()[-1] == "restore 0.1.0: done"
    made = [call for call in host.calls if "CREATE EXTENSION" in call]
    assert [call.split('"')[1] for call in made] == ["hstore", "plpython3u", "file_fdw"]


def test_a_release_that_is_not_well_with_the_dump_is_told_what_to_do(make: Callable[..., StubHost]) -> None:
    host = make()
    host.set("health_timeout", 0)
    host.stub("curl", "printf 503\n")
    words = host.run("restore", NAME, checksum())
    assert "0.1.0 is not well with it" in words.splitlines()[-1]
    assert "make migrate ENV=root, or make rollback ENV=root" in words.splitlines()[-1]
    assert host.called("did not end well") == 1
    assert "The restored database serves as billing_stage; the one before is kept as billing_stage_before_" in words
    assert host.current == "0.1.0"


def test_migrations_that_the_dump_does_not_have(make: Callable[..., StubHost]) -> None:
    host = make()
    host.migrations("down", "20260201000000")
    words = host.run("restore", NAME, checksum())
    assert "ATTENTION: 0.1.0 has migrations that the restored database does not: 20260201000000" in words
    assert words.splitlines()[-1] == "restore 0.1.0: done"


def test_the_database_of_an_earlier_restore_goes_when_this_one_succeeded(make: Callable[..., StubHost]) -> None:
    host = make()
    (host.path / "older").write_text("billing_stage_before_20250101000000\n")
    host.run("restore", NAME, checksum())
    places = host.order("RENAME", "systemctl restart", 'DROP DATABASE "billing_stage_before_20250101000000"')
    assert places == sorted(places)


def test_a_database_elsewhere(make: Callable[..., StubHost]) -> None:
    host = make(database_managed=False)
    words = host.run("restore", NAME, checksum())
    assert "the database is managed elsewhere, and so are its restores" in words.splitlines()[-1]
    assert host.called("runuser") == 0


# By the step at which the power goes: where the program stands still, and whether the restored database serves.
CUTS = {
    "restoring": (("runuser", '*"pg_restore --host"*'), False),
    "stopping": (("systemctl", '"stop billing_stage.service"'), False),
    "renaming": (("sleep", "*"), False),
    "restarting": (("systemctl", "restart*"), True),
}


@pytest.mark.parametrize("step", CUTS)
def test_a_cut_at_any_step_leaves_one_of_the_two_serving(make: Callable[..., StubHost], step: str) -> None:
    host = make()
    command, restored = CUTS[step]
    if step == "renaming":
        (host.path / "connected").touch()
    stand_still(host, *command)
    interrupt_there(host, "restore", NAME, checksum())
    (host.path / "connected").unlink(missing_ok=True)
    host.stub("systemctl", f'case "$*" in *is-active*) exit 3 ;; esac\n{SYSTEMCTL}')
    words = host.end()
    serving = "The restored database serves as billing_stage" if restored else "The database billing_stage is as it was"
    assert serving in words
    assert (host.path / "renamed").exists() == restored
    # Repeating the restore does not remove the database of before.
    assert host.called("did not end well") == restored
    assert host.current == "0.1.0"
    assert (host.called("systemctl start billing_stage.service") > 0) == (step != "restoring")
    # The next one begins anew.
    host.calls_file.write_text("")
    (host.path / "renamed").unlink(missing_ok=True)
    assert host.run("restore", NAME, checksum()).splitlines()[-1] == "restore 0.1.0: done"


def test_an_end_without_postgresql_says_what_is_not_known(make: Callable[..., StubHost]) -> None:
    """As at boot, before PostgreSQL runs; the reason of the failure stays."""
    host = make()
    (host.path / "broken").touch()
    stub = (host.bin / "runuser").read_text().partition('calls"\n')[2]
    host.stub(
        "runuser",
        f'[ ! -e "$HOST/broken.seen" ] || exit 2\ncase "$*" in *--host*) : > "$HOST/broken.seen" ;; esac\n{stub}',
    )
    words = host.run("restore", NAME, checksum())
    assert "ATTENTION: billing_stage_restore may be left; the next restore removes it" in words
    assert "PostgreSQL does not answer: if there is no database" in words
    assert "the dump could not be restored, for the reason above" in words.splitlines()[-1]
