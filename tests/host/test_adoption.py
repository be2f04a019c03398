"""Somebody else's database with the environment's name: named, refused, and taken over when the data says so."""

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.test_database import as_role, sql

# PostgreSQL decides, and does not differ in this.
pytestmark = TRIXIE

ORDERS = 5000
CHEFS = f"""\
SET ROLE chef;
CREATE SCHEMA shop;
CREATE TABLE shop.orders AS SELECT generate_series(1, {ORDERS}) AS id;
CREATE TABLE parts (id serial PRIMARY KEY, size text) PARTITION BY RANGE (id);
CREATE TABLE small PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TYPE mood AS ENUM ('good');
CREATE FUNCTION answer() RETURNS integer LANGUAGE sql AS 'SELECT 42';
CREATE VIEW many AS SELECT count(*) FROM shop.orders;
"""
FOREIGN = (
    f"PostgreSQL database billing_stage of chef, 2 tables with about {ORDERS} rows: only billing_stage may connect to"
    " it"
)

STATE = """\
SELECT datname, datdba::regrole, datacl FROM pg_database ORDER BY 1;
\\connect billing_stage
SELECT n.nspname, c.relname, c.relowner::regrole FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE n.nspname IN ('public', 'shop') ORDER BY 1, 2;
"""


@pytest.fixture(scope="module")
def foreign(host: Host) -> Host:
    """Chef has a database with the name of stage's, and another one."""
    statements = "DROP DATABASE billing_stage; CREATE ROLE chef; CREATE DATABASE billing_stage OWNER chef;"
    sql(host.machine, f"{statements} CREATE DATABASE kitchen OWNER chef")
    sql(host.machine, f"{CHEFS} RESET ROLE; ANALYZE;", "billing_stage")
    return host


@pytest.mark.everything
def test_it_is_refused_in_the_plan_and_untouched(foreign: Host) -> None:
    before = sql(foreign.machine, STATE)
    for command in (["plan", "ENV=stage"], ["apply", "ENV=stage", "YES=1"]):
        run = foreign.project.make(*command)
        assert run.exit_code != 0
        assert FOREIGN in run.output
        assert "set adopt = True in group_data/stage.py" in run.output
        assert "Traceback" not in run.output
    assert sql(foreign.machine, STATE) == before


@pytest.mark.everything
def test_it_is_taken_over_with_what_is_in_it(foreign: Host) -> None:
    project, machine = foreign.project, foreign.machine
    project.edit("stage", adopt=True)
    plan = project.make("plan", "ENV=stage").require_success().output
    assert f"Will take over {FOREIGN}, which then owns it and what chef owns in it" in plan
    project.make("apply", "ENV=stage", "YES=1").require_success()
    password = project.secrets("stage")["database_password"]
    told = as_role(
        machine,
        "billing_stage",
        password,
        "billing_stage",
        "INSERT INTO parts (size) VALUES ('a'); ALTER TABLE small ADD CHECK (id > 0); ALTER TYPE mood ADD VALUE 'bad';"
        "DROP FUNCTION answer(); SELECT * FROM many;",
    )
    assert told == str(ORDERS)
    assert "chef" not in sql(machine, STATE.partition("\\connect")[2].partition("\n")[2], "billing_stage")
    assert sql(machine, "SELECT datdba::regrole FROM pg_database WHERE datname = 'kitchen'") == "chef"


@pytest.mark.everything
def test_afterwards_nothing_changes_with_or_without_the_setting(foreign: Host) -> None:
    assert foreign.project.planned("--limit", "stage") == {}
    foreign.project.edit("stage", adopt=None)
    assert foreign.project.planned("--limit", "stage") == {}


@pytest.mark.everything
def test_a_site_and_a_role_that_were_there_before(foreign: Host) -> None:
    """As on a machine that was never prepared from here."""
    machine = foreign.machine
    machine.run(
        "rm /usr/local/libexec/billing_stage-switch; echo 'server {}' > /etc/nginx/sites-available/billing_stage"
    )
    sql(machine, "COMMENT ON ROLE billing_stage IS NULL; COMMENT ON DATABASE billing_stage IS NULL")
    run = foreign.project.make("plan", "ENV=stage")
    assert run.exit_code != 0
    assert "file /etc/nginx/sites-available/billing_stage: it is replaced" in run.output
    assert "PostgreSQL role billing_stage: it gets the vault's password" in run.output
    foreign.project.edit("stage", adopt=True)
    foreign.project.make("apply", "ENV=stage", "YES=1").require_success()
    foreign.project.edit("stage", adopt=None)
    assert foreign.project.planned("--limit", "stage") == {}
