"""A new version, and every kind of failure: the old version goes on, and users of prod notice nothing."""

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import Variant, build_variants, page, rpc, wait_for_page
from tests.host.releasing import (
    Watcher,
    entry_point,
    invoices,
    linked,
    lock_is_free,
    log,
    migrations,
    present,
    psql,
    release,
    restarts,
    version,
)

# Each outcome of the switch is a case in tests/unit/operations/programs/; here it meets systemd, PostgreSQL and nginx.
pytestmark = BOOKWORM

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
PROD = Variant("prod", "0.1.0", migrations=1)
# 1.0.10 is newer than 1.0.9.
ROW = [Variant("stage", f"1.0.{number}") for number in range(5, 13)]

FIRST, SECOND = "20260101000000", "20260201000000"


class Kind(NamedTuple):
    """A way in which a release fails.

    + variant: what is released
    + reason: what the screen says of it
    + journal: a piece of the application's own last words on the screen, if it had any
    + database: what the screen says of it, if it was touched
    """

    variant: Variant
    reason: str
    journal: str = ""
    database: str = ""


KINDS = {
    "does not start": Kind(
        Variant("stage", "0.3.1", "start"), "billing_stage.service ended by itself", "asked to fail"
    ),
}
LATER = Kind(
    Variant("stage", "0.3.5", "migration_after"),
    "the migration failed, for the reason above",
    database="THE DATABASE HAS CHANGED: applied are the migrations 20260101000000 20260201000000 20260301000000; before, "
    "20260101000000 20260201000000.",
)


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    kinds = [kind.variant for kind in (*KINDS.values(), LATER)]
    return build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW, PROD, *kinds, *ROW])


@pytest.fixture(scope="module")
def watched(host: Host, built: dict[Variant, Path]) -> Iterator[Watcher]:
    """Both environments at 0.1.0, and a client on prod from then on."""
    for variant in (PROD, OLD):
        release(host, variant.environment, built[variant]).require_success()
    with Watcher(host.machine) as watcher:
        yield watcher


@pytest.fixture
def released(host: Host, watched: Watcher) -> Host:
    """The machine; that prod's client had an answer each time shows at the end of each test that uses it."""
    assert watched.complaints == []
    return host


@pytest.fixture
def on_new(released: Host, built: dict[Variant, Path]) -> Host:
    """The machine with 0.2.0 on stage."""
    if version(released.machine, "stage") != "0.2.0":
        release(released, "stage", built[NEW]).require_success()
    return released


def test_the_first_release(released: Host) -> None:
    assert page(released.machine, "stage").text.splitlines()[:3] == [
        "version 0.1.0", "environment stage", "node billing_stage@127.0.0.1",
    ]  # fmt: skip
    assert migrations(released.machine, "stage") == [FIRST]
    assert log(released.machine, "stage") == [("release", "0.1.0", "good")]
    assert restarts(released.machine, "stage") == 1
    status = released.project.make("status").require_success().output
    assert re.search(r"^stage +0\.1\.0 +answers +200 OK +1 applied +release good 20", status, re.MULTILINE)


def test_an_upgrade_migrates_after_a_backup_and_restarts_once(released: Host, built: dict[Variant, Path]) -> None:
    machine = released.machine
    page(machine, "stage", path="/invoices/new")
    plan = released.project.run("make", "release", "ENV=stage", f"TARBALL={built[NEW]}")
    assert "Will release 0.2.0 to stage, where 0.1.0 runs now" in plan.output
    assert version(machine, "stage") == "0.1.0"
    before = restarts(machine, "stage")
    run = released.project.make("release", "ENV=staging", f"TARBALL={built[NEW]}", "YES=1").require_success()
    assert f"Migrating: {SECOND} add_paid_to_invoices" in run.output
    assert (version(machine, "stage"), invoices(machine, "stage")) == ("0.2.0", 1)
    assert migrations(machine, "stage") == [FIRST, SECOND]
    # Not a second time by whatever comes after it.
    assert restarts(machine, "stage") == before + 1
    assert rpc(machine, "stage", "IO.puts(elem(:init.script_id(), 1))").strip() == "0.2.0"
    backup = machine.run("stat -c '%U %a %n' /var/lib/billing_stage/backups/*before-0.2.0.dump").stdout.split()
    assert backup[:2] == ["root", "600"]
    restored = machine.run(f"pg_restore --data-only --table invoices --file - {backup[2]}").stdout
    assert re.search(r"^COPY public\.invoices \(.*\) FROM stdin;\n1\t", restored, re.MULTILINE)


def test_again_it_changes_nothing(on_new: Host, built: dict[Variant, Path]) -> None:
    before = restarts(on_new.machine, "stage")
    run = release(on_new, "stage", built[NEW]).require_success()
    assert "0.2.0 runs already" in run.output or "No changes" in run.output
    assert restarts(on_new.machine, "stage") == before


def test_the_application_cannot_change_its_release(on_new: Host) -> None:
    path = "/home/billing/stage/releases/0.2.0"
    assert on_new.machine.run(f"find {path} ! -user root -o -perm /022 ! -type l").stdout == ""
    for user_of in (
        "File.write('%s/bin/billing', '')",
        "File.rename('/home/billing/stage/releases', '/home/billing/stage/x')",
    ):
        said = rpc(on_new.machine, "stage", f"IO.inspect({user_of.replace('%s', path)})")
        assert re.search(r":error, :(eacces|erofs|ebusy|eperm)", said), said


def test_the_tarball_is_roots_alone(on_new: Host) -> None:
    stored = on_new.machine.run("stat -c '%U %a' /var/lib/billing_stage /var/lib/billing_stage/artifacts/*").stdout
    assert set(stored.splitlines()) == {"root 700", "root 600"}
    assert on_new.machine.run("ls -A ~devops/.deploy-uploads; stat -c %a ~devops/.deploy-uploads").stdout == "700\n"


@pytest.mark.parametrize("name", list(KINDS))
def test_a_release_that_fails_says_why_and_exits_1(on_new: Host, built: dict[Variant, Path], name: str) -> None:
    """Complaints: failures that exit 0; starts that fail and do not say why."""
    machine, kind = on_new.machine, KINDS[name]
    rows, schema = psql(machine, "stage", "SELECT * FROM invoices"), migrations(machine, "stage")
    run = release(on_new, "stage", built[kind.variant])
    assert run.exit_code == 1
    assert f"FAILED: {kind.reason}" in run.output
    assert kind.journal in run.output
    assert kind.database in run.output
    assert "Traceback" not in run.output
    assert_as_before(on_new, kind.variant.version)
    assert psql(machine, "stage", "SELECT * FROM invoices") == rows
    assert migrations(machine, "stage") == schema


def assert_as_before(host: Host, failed: str) -> None:
    """0.2.0 runs and is well, the failed one is known as such, and nobody holds the lock."""
    assert (version(host.machine, "stage"), linked(host.machine, "stage")) == ("0.2.0", "0.2.0")
    assert page(host.machine, "stage", path="/health").status == 200
    assert log(host.machine, "stage")[-1] == ("release", failed, "failed")
    assert lock_is_free(host)
    assert host.machine.run("ls /var/lib/billing_stage").stdout.split() == [
        "artifacts",
        "backups",
        "revisions.log",
        "variables.secret",
    ]


@pytest.mark.everything
def test_a_migration_that_fails_after_another_one_says_where_the_database_stands(
    on_new: Host, built: dict[Variant, Path]
) -> None:
    run = release(on_new, "stage", built[LATER.variant])
    assert run.exit_code == 1
    assert LATER.database in run.output
    backup = re.search(r"The backup taken before: (\S+)", run.output)
    assert backup
    assert_as_before(on_new, LATER.variant.version)
    on_new.project.make("restore", "ENV=stage", f"DUMP={Path(backup[1]).name}", "YES=1").require_success()
    assert migrations(on_new.machine, "stage") == [FIRST, SECOND]


# --- Refused before anything is switched ------------------------------------------------------------------------------


def with_member(entry: tarfile.TarInfo, content: bytes = b"") -> Callable[[Path, Path], None]:
    """Adds an entry to a tarball."""

    def add(source: Path, target: Path) -> None:
        entry.size = len(content)
        with tarfile.open(source) as old, tarfile.open(target, "w:gz", compresslevel=1) as new:
            for member in old:
                new.addfile(member, old.extractfile(member) if member.isfile() else None)
            new.addfile(entry, io.BytesIO(content))

    return add


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry


REFUSED: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link to elsewhere": (with_member(link("lib/evil", "/etc/shadow")), "holds a link that leads out of the release"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_broken_tarball(on_new: Host, built: dict[Variant, Path], tmp_path: Path, name: str) -> None:
    change, reason = REFUSED[name]
    # Of a version that is not on the host yet.
    change(built[ROW[0]], tmp_path / "broken.tar.gz")
    started, revisions = restarts(on_new.machine, "stage"), log(on_new.machine, "stage")
    run = release(on_new, "stage", tmp_path / "broken.tar.gz")
    assert (run.exit_code, reason in run.output) == (1, True), run.output
    assert "1.0.5" not in present(on_new.machine, "stage")
    assert not [name for name in present(on_new.machine, "stage") if name.startswith(".")]
    assert (version(on_new.machine, "stage"), log(on_new.machine, "stage")) == ("0.2.0", revisions)
    assert restarts(on_new.machine, "stage") == started
    assert lock_is_free(on_new)
    on_new.machine.run("rm -f /var/lib/billing_stage/artifacts/billing-1.0.5.*; [ ! -e /etc/cron.d/evil ]")


@pytest.mark.everything
def test_no_room(on_new: Host, built: dict[Variant, Path]) -> None:
    machine = on_new.machine
    machine.run("mount -t tmpfs -o size=70m tmpfs /home/billing/stage/releases")
    try:
        run = release(on_new, "stage", built[ROW[0]])
    finally:
        machine.run("umount /home/billing/stage/releases")
    assert (run.exit_code, "make room there, or lower keep_releases" in run.output) == (1, True), run.output
    assert version(machine, "stage") == "0.2.0"


@pytest.mark.everything
def test_the_disk_fills_up_while_unpacking(on_new: Host, built: dict[Variant, Path], tmp_path: Path) -> None:
    """Zeros pack so well that what they need is not foreseen."""
    machine, big = on_new.machine, tmp_path / "big.tar.gz"
    with_member(tarfile.TarInfo("lib/zeros"), bytes(300 << 20))(built[ROW[0]], big)
    machine.run("mount -t tmpfs -o size=250m tmpfs /home/billing/stage/releases")
    try:
        run = release(on_new, "stage", big)
        assert present(machine, "stage") == []
    finally:
        machine.run("umount /home/billing/stage/releases; rm -f /var/lib/billing_stage/artifacts/billing-1.0.5.*")
    assert (run.exit_code, "/releases is full: make room there" in run.output) == (1, True), run.output
    assert (version(machine, "stage"), lock_is_free(on_new)) == ("0.2.0", True)
    assert page(machine, "stage", path="/health").status == 200


# --- Going back -------------------------------------------------------------------------------------------------------


def test_going_back_needs_no_version_to_be_typed(on_new: Host, built: dict[Variant, Path]) -> None:
    """Complaint: no rollback command. With migrations; afterwards the good release goes through again."""
    rows = invoices(on_new.machine, "stage")
    entry_point(on_new, "deploys/rollback.py", "stage", MIGRATE_DOWN=SECOND).require_success()
    assert (version(on_new.machine, "stage"), migrations(on_new.machine, "stage")) == ("0.1.0", [FIRST])
    assert invoices(on_new.machine, "stage") == rows
    assert log(on_new.machine, "stage")[-2:] == [("rollback", "0.1.0", "good"), ("rollback", "0.2.0", "left")]
    release(on_new, "stage", VERSION="0.2.0").require_success()
    assert (version(on_new.machine, "stage"), migrations(on_new.machine, "stage")) == ("0.2.0", [FIRST, SECOND])


@pytest.mark.everything
def test_migrating_down_and_up_with_the_running_release(on_new: Host) -> None:
    on_new.project.make("migrate-down", "ENV=stage", f"VERSION={SECOND}", "YES=1").require_success()
    assert migrations(on_new.machine, "stage") == [FIRST]
    on_new.project.make("migrate", "ENV=stage", "YES=1").require_success()
    assert migrations(on_new.machine, "stage") == [FIRST, SECOND]
    logged = log(on_new.machine, "stage")
    idle = on_new.project.make("migrate", "ENV=stage").require_success().output
    assert "No migration is pending" in idle
    assert "Nothing would change." in idle
    wrong = on_new.project.make("migrate-down", "ENV=stage", "VERSION=20260102000000")
    assert f"migration 20260102000000 is not applied; applied: {FIRST}, {SECOND}. Nothing was changed" in wrong.output
    assert log(on_new.machine, "stage") == logged


@pytest.mark.everything
def test_a_restart_that_systemd_refuses_says_why(on_new: Host) -> None:
    """The doctor names what brings the file back."""
    on_new.machine.run("rm /etc/default/billing_stage")
    run = on_new.project.make("restart", "ENV=stage")
    assert run.exit_code != 0
    assert "Failed to load environment files" in run.output
    assert "FAILED: billing_stage.service ended by itself" in run.output
    assert "make apply ENV=stage brings back what is missing" in on_new.project.make("doctor", "ENV=stage").output
    on_new.project.apply("--limit", "stage").require_success()
    assert "0.2.0 runs and answers." in on_new.project.make("restart", "ENV=stage").require_success().output


@pytest.mark.everything
def test_old_releases_do_not_pile_up_and_failed_ones_take_no_slot(on_new: Host, built: dict[Variant, Path]) -> None:
    """Eight in a row, of which five are kept; and one can go back from each."""
    on_new.project.edit("stage", settle_time=1)
    for variant in ROW:
        release(on_new, "stage", built[variant]).require_success()
        if variant == ROW[-3]:
            assert release(on_new, "stage", built[KINDS["does not start"].variant]).exit_code == 1
    on_new.project.edit("stage", keep_releases=3)
    plan = on_new.project.make("release", "ENV=stage", f"TARBALL={built[ROW[0]]}")
    on_new.project.edit("stage", keep_releases=None)
    assert (plan.exit_code, "There is no terminal to ask on" in plan.output) == (2, True), plan.output
    [gone] = re.findall(r"Will remove releases: (.*)", plan.output)
    assert sorted(gone.split(", ")) == sorted(variant.version for variant in ROW[-5:-2])
    five = [variant.version for variant in ROW[-5:]]
    assert sorted(present(on_new.machine, "stage")) == sorted(five)
    tarballs = on_new.machine.run("ls /var/lib/billing_stage/artifacts/*.tar.gz").stdout.split()
    assert len(tarballs) == 5
    shown = on_new.project.make("releases", "ENV=stage").output
    assert re.search(r"1\.0\.12  runs\n  1\.0\.11  good, the one to go back to", shown)
    for going_back in reversed(five[:-1]):
        entry_point(on_new, "deploys/rollback.py", "stage").require_success()
        assert version(on_new.machine, "stage") == going_back
    run = entry_point(on_new, "deploys/rollback.py", "stage")
    assert (run.exit_code, "there is no good release before the running one" in run.output) == (1, True)


def test_users_of_prod_noticed_nothing(released: Host, watched: Watcher) -> None:
    """Stage was released, taken back and broken in all these ways."""
    assert watched.complaints == []
    assert watched.asked > 1000
    assert restarts(released.machine, "prod") == 1
    assert rpc(released.machine, "prod", "IO.puts(node())").strip() == "billing_prod@127.0.0.1"


def test_after_a_reboot(released: Host) -> None:
    running = {environment: version(released.machine, environment) for environment in ("stage", "prod")}
    released.machine.reboot()
    for environment in running:
        wait_for_page(released.machine, environment)
    assert {environment: version(released.machine, environment) for environment in running} == running
