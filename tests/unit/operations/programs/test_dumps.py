"""switch.sh: which dumps are made before a migration, what is written beside them, and which stay."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.programs.stubs import StubHost

FIRST, SECOND, THIRD = "20260101000000", "20260201000000", "20260301000000"


@pytest.fixture
def failing(stub_host: Callable[..., StubHost]) -> StubHost:
    """One migration is applied. Of two pending ones the second fails each time."""
    host = stub_host()
    host.migrations("up", FIRST)
    host.migrations("down", f"{SECOND} {THIRD}")
    body = (host.bin / "systemd-run").read_text().partition('calls"\n')[2]
    fails = f'*UP*) echo "{FIRST} {SECOND}" > "$HOST/up"; echo {THIRD} > "$HOST/down"; exit 1;;\n'
    host.stub("systemd-run", body.replace("    *DOWN*)", f"    {fails}    *DOWN*)", 1))
    return host


def about(host: StubHost, name: str) -> dict[str, str]:
    """What is written beside a dump."""
    text = (host.state / f"backups/{name}.about").read_text()
    return dict(line.split("=", 1) for line in text.splitlines())


def migrations(host: StubHost) -> list[str]:
    """The migrations noted for each dump, the oldest dump first."""
    names = sorted(host.backups, key=lambda name: int(about(host, name)["number"]))
    return [about(host, name)["migrations"] for name in names]


def ready(host: StubHost) -> None:
    """A migration is pending again, and the one before it is applied."""
    host.migrations("up", FIRST)
    host.migrations("down", SECOND)


def test_each_dump_says_what_it_is(host: StubHost) -> None:
    ready(host)
    host.run("release", "0.2.0")
    [name] = host.backups
    told = about(host, name)
    content = (host.state / "backups" / name).read_bytes()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told.pop("time"))
    assert told == {
        "number": "1",
        "version": "0.2.0",
        "running": "0.1.0",
        "migrations": FIRST,
        "size": str(len(content)),
        "database_size": "1000",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_the_dump_from_before_the_schema_changed_stays_however_often_a_release_fails(failing: StubHost) -> None:
    for _ in range(5):
        assert "FAILED: the migration failed" in failing.run("release", "0.2.0")
    assert migrations(failing) == [FIRST, f"{FIRST} {SECOND}", f"{FIRST} {SECOND}"]
    # What was written between two tries is in a dump each time.
    assert sum(call.startswith("runuser") and "pg_dump" in call for call in failing.calls) == 5


def test_the_first_dump_stays_when_each_try_changes_the_schema_a_bit(host: StubHost) -> None:
    body = (host.bin / "systemd-run").read_text().partition('calls"\n')[2]
    fails = '*UP*) cat "$HOST/next" >> "$HOST/up"; exit 1;;\n'
    host.stub("systemd-run", body.replace("    *DOWN*)", f"    {fails}    *DOWN*)", 1))
    host.migrations("up", FIRST)
    for number in range(2, 7):
        host.migrations("down", "20269999000000")
        host.migrations("next", f"2026010{number}000000")
        host.run("release", "0.2.0")
    kept = migrations(host)
    assert (kept[0], len(kept)) == (FIRST, 3)


def test_dumps_between_two_with_the_same_migrations_go_first(stub_host: Callable[..., StubHost]) -> None:
    """A release before left a dump of another schema, which is worth more than one more copy of this one."""
    host = stub_host(keep_releases=4)
    ready(host)
    host.run("release", "0.2.0")
    (host.path / "deaf").touch()
    for _ in range(5):
        host.migrations("down", THIRD)
        host.run("release", "0.1.0")
    assert migrations(host)[:2] == [FIRST, f"{FIRST} {SECOND}"]
    assert len(host.backups) == 4


@pytest.mark.parametrize("name", ["20991231-235959-before-0.1.0.dump", "20991231-235959-7-before-0.1.0.dump"])
def test_the_clock_decides_nothing(host: StubHost, name: str) -> None:
    """The clock was set back: all dumps that are there are dated later than the new one."""
    for number in range(5):
        (host.state / "backups" / name.replace("2099", f"209{number}")).write_text("dump\n")
    ready(host)
    assert "release 0.2.0: done" in host.run("release", "0.2.0")
    [new] = [name for name in host.backups if name.endswith("before-0.2.0.dump")]
    assert about(host, new)["number"] == ("1" if "-7-" not in name else "8")
    assert len(host.backups) == 3


def test_two_dumps_of_one_second_are_two(host: StubHost) -> None:
    host.stub("date", 'case "$*" in *%s*) echo 1 ;; *) echo 20260101-000000 ;; esac\n')
    for _ in range(2):
        ready(host)
        host.run("migrate")
    assert host.backups == ["20260101-000000-1-before-0.1.0.dump", "20260101-000000-2-before-0.1.0.dump"]


def test_no_migration_without_its_dump(host: StubHost) -> None:
    """Whatever removed it: the program looks again right before the migration."""
    ready(host)
    host.stub("runuser", 'case "$*" in *pg_database_size*) echo 9 ;; *pg_dump*) echo dump ;; *pg_restore*) '
              'cat > "$HOST/read"; [ ! -e "$HOST/once" ] || exit 1; : > "$HOST/once" ;; esac\n')  # fmt: skip
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert "is gone or cannot be read; the database was not touched" in last
    assert host.called(" UP") == 0
    assert host.log == ["release 0.2.0 ended"]


@pytest.mark.parametrize(
    "dump", ["*pg_restore*) echo broken >&2; exit 1", "*pg_dump*) true"], ids=["unreadable", "empty"]
)
def test_a_dump_that_cannot_be_read_is_none(host: StubHost, dump: str) -> None:
    ready(host)
    host.stub("runuser", f'case "$*" in *pg_database_size*) echo 9 ;; {dump} ;; *pg_dump*) echo dump ;; esac\n')
    assert "the backup cannot be read" in host.run("release", "0.2.0").splitlines()[-1]
    assert (host.backups, host.called(" UP"), host.log) == ([], 0, ["release 0.2.0 ended"])


def test_remains_of_a_backup_that_was_cut_off_go(host: StubHost) -> None:
    ready(host)
    backups = host.state / "backups"
    for name in (
        "20260101-000000-1-before-0.2.0.dump.part",
        "x.about.part",
        "20260101-000000-1-before-0.2.0.dump.about",
    ):
        (backups / name).write_text("half")
    host.run("release", "0.2.0")
    assert len(host.backups) == 1
    assert len(list(backups.iterdir())) == 2


def test_what_somebody_put_there_stays(host: StubHost) -> None:
    (host.state / "backups/of-prod.dump").write_text("dump\n")
    for _ in range(5):
        ready(host)
        host.run("migrate")
    assert "of-prod.dump" in host.backups
    assert len(host.backups) == 4


def test_the_list_takes_names_for_no_more_than_names(sandbox: Sandbox, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    for name in (
        "20260101-000000-10-before-2.dump",
        "20270101-000000-9-before-1.dump",
        "old.dump",
        "a b.dump",
        "-x.dump",
        "$(x).dump",
    ):
        (backups / name).touch()
    (backups / "old.dump.about").write_text("migrations=\nnumber=99\nsize=5\n=x\nno pair\n")
    done = sandbox.execute(
        ["sh", "-c", '. "$0"; dump_list "$1"', str(Path("operations/programs/dump_list.sh").absolute()), str(backups)]
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:3] for row in rows] == [
        ["0", "old.dump", ""],
        ["9", "20270101-000000-9-before-1.dump", "?"],
        ["10", "20260101-000000-10-before-2.dump", "?"],
    ]
    assert rows[0][6] == "5"
