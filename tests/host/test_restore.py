"""A dump goes into a new database, which takes the place of the old one, whatever was added since and whatever is in it."""

import re
from pathlib import Path

import pytest

from tests.host import releasing
from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import Variant, build_variants, page
from tests.host.releasing import invoices, lock_is_free, log, migrations, psql, version
from tests.host.test_database import as_role, sql

pytestmark = BOOKWORM

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")

FIRST, SECOND = "20260101000000", "20260201000000"

# Constraints call these for each row that a restore writes. The superuser could take both settings back, and would find an
# operator of the owner where names are looked up in the database.
TRAP = """\
CREATE FUNCTION spring(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'RESET ROLE';
    EXECUTE 'RESET SESSION AUTHORIZATION';
    EXECUTE 'ALTER ROLE billing_stage SUPERUSER';
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    RETURN true;
END $$;
CREATE SCHEMA evil;
CREATE FUNCTION evil.same("char", "char") RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'ALTER ROLE billing_stage SUPERUSER';
    RETURN $1 OPERATOR(pg_catalog.=) $2;
EXCEPTION WHEN OTHERS THEN
    RETURN $1 OPERATOR(pg_catalog.=) $2;
END $$;
CREATE OPERATOR evil.= (LEFTARG = "char", RIGHTARG = "char", FUNCTION = evil.same);
CREATE FUNCTION lure(integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_database() <> 'billing_stage' THEN
        EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog, public', current_database());
    END IF;
    RETURN true;
END $$;
CREATE TABLE lures (id integer CHECK (lure(id)));
INSERT INTO lures VALUES (1);
CREATE TABLE traps (id integer CHECK (spring(id)));
INSERT INTO traps VALUES (1);
CREATE TABLE names (name public.citext UNIQUE);
INSERT INTO names VALUES ('Ada');
GRANT SELECT ON names TO reporting;
"""


@pytest.fixture(scope="module")
def dumped(host: Host, release: str, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Stage runs 0.2.0. Two invoices are in the dump from before its migration, and a third one was written since."""
    built: dict[Variant, Path] = build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW])
    releases(host, built[OLD])
    sql(host.machine, "CREATE ROLE reporting; ALTER DATABASE billing_stage SET statement_timeout = '9s'")
    password = host.project.secrets("stage")["database_password"]
    assert as_role(host.machine, "billing_stage", password, "billing_stage", TRAP) == ""
    for _ in range(2):
        page(host.machine, "stage", path="/invoices/new")
    releases(host, built[NEW])
    page(host.machine, "stage", path="/invoices/new")
    psql(host.machine, "stage", "CREATE TABLE later (id integer); INSERT INTO later VALUES (1)")
    return host


def releases(host: Host, tarball: Path) -> None:
    """A release that must succeed."""
    releasing.release(host, "stage", tarball).require_success()


def databases(host: Host) -> list[str]:
    """Databases and roles of stage."""
    return sql(
        host.machine,
        "SELECT datname FROM pg_database WHERE datname ~ 'stage' UNION ALL"
        " SELECT rolname FROM pg_roles WHERE rolname ~ 'stage' ORDER BY 1",
    ).split()


def test_a_dump_that_is_not_there_is_refused_with_the_list(dumped: Host) -> None:
    run = dumped.project.make("restore", "ENV=stage", "DUMP=9", "YES=1")
    assert run.exit_code != 0
    assert "stage has no dump 9. DUMP= names one of these" in run.output
    assert re.search(r"-2-before-0\.2\.0\.dump, 0\.\d MiB, of 20\S+, while 0\.1\.0 ran, migrations up to", run.output)
    assert databases(dumped) == ["billing_stage", "billing_stage"]


@pytest.mark.everything
def test_a_damaged_dump_changes_nothing(dumped: Host) -> None:
    path = dumped.machine.run("ls /var/lib/billing_stage/backups/*-2-before-0.2.0.dump").stdout.strip()
    dumped.machine.run(f"cp {path} /root/saved; printf x >> {path}")
    run = dumped.project.make("restore", "ENV=stage", "DUMP=2", "YES=1")
    dumped.machine.run(f"cat /root/saved > {path}")
    assert run.exit_code != 0
    assert "is damaged: its checksum differs" in run.output
    assert log(dumped.machine, "stage")[-1] == ("restore", "0.2.0", "ended")
    assert (databases(dumped), invoices(dumped.machine, "stage")) == (["billing_stage", "billing_stage"], 3)


def test_a_restore(dumped: Host) -> None:
    machine = dumped.machine
    plan = dumped.project.make("restore", "ENV=stage", "DUMP=2")
    assert "Will restore" in plan.output
    assert "There is no terminal to ask on" in plan.output
    run = dumped.project.make("restore", "ENV=stage", "DUMP=2", "YES=1").require_success()
    assert (version(machine, "stage"), invoices(machine, "stage")) == ("0.2.0", 2)
    assert migrations(machine, "stage") == [FIRST]
    assert f"0.2.0 has migrations that the restored database does not: {SECOND}" in run.output
    [kept] = [name for name in databases(dumped) if "before" in name]
    assert databases(dumped) == ["billing_stage", "billing_stage", kept]
    assert sql(machine, "SELECT * FROM later", kept) == "1"
    assert psql(machine, "stage", "SELECT to_regclass('later')") == ""
    assert log(machine, "stage")[-1] == ("restore", "0.2.0", "good")
    assert lock_is_free(dumped)
    assert machine.run("ls /run /var/lib/billing_stage | grep -E 'restore|contents|switching' || true").stdout == ""


def test_doctor_names_the_missing_migration_and_the_old_database(dumped: Host) -> None:
    [kept] = [name for name in databases(dumped) if "before" in name]
    run = dumped.project.make("doctor", "ENV=stage")
    assert f"a migration of the running release is not applied: {SECOND}" in run.output
    assert "Mend: make migrate ENV=stage, which takes a dump first" in run.output
    assert f"cd / && sudo -u postgres dropdb {kept}" in run.output


def test_nothing_of_the_dump_ran_as_the_superuser(dumped: Host) -> None:
    assert sql(dumped.machine, "SELECT rolsuper FROM pg_roles WHERE rolname = 'billing_stage'") == "f"
    owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert psql(dumped.machine, "stage", owners) == "billing_stage"


@pytest.mark.everything
def test_rights_settings_and_extensions_are_as_before(dumped: Host) -> None:
    machine = dumped.machine
    assert psql(machine, "stage", "SELECT count(*) FROM names WHERE name = 'ADA'") == "1"
    assert psql(machine, "stage", "SELECT has_table_privilege('reporting', 'names', 'SELECT')") == "t"
    assert psql(machine, "stage", "SHOW statement_timeout") == "9s"
    assert dumped.project.planned("--limit", "stage") == {}
    drift = dumped.project.make("drift", "ENV=stage").output
    assert "billing_stage_before_" in drift


@pytest.mark.everything
def test_the_next_migration_and_the_next_restore(dumped: Host) -> None:
    machine = dumped.machine
    [first] = [name for name in databases(dumped) if "before" in name]
    dumped.project.make("migrate", "ENV=stage", "YES=1").require_success()
    assert migrations(machine, "stage") == [FIRST, SECOND]
    run = dumped.project.make("restore", "ENV=stage", "DUMP=3", "YES=1").require_success()
    assert f"Will remove {first}" in run.output
    [second] = [name for name in databases(dumped) if "before" in name]
    assert second != first
    listed = dumped.project.make("releases", "ENV=stage").require_success().output
    assert f"database {second}, from before a restore" in listed
    assert invoices(machine, "stage") == 2
