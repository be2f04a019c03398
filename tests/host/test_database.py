"""PostgreSQL itself decides: logins, changes by hand that are found, and data that survives."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.host import raw_scram
from tests.host.conftest import Host
from tests.host.partial import planned_and_applied, with_steps
from tests.sandbox.machine import Machine

ROLE = "PostgreSQL role"
DATABASE = "PostgreSQL database"
PRIVILEGES = "PostgreSQL database: open to its owner alone"
EXTENSIONS = "PostgreSQL extensions"
PASSWORD = "Secret file and database password"

# All that is told about roles and databases, less the verifiers.
STATE = """\
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin, rolconnlimit,
    rolvaliduntil, rolpassword IS NOT NULL FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY rolname;
SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE member::regrole::text !~ '^pg_' ORDER BY 1, 2;
SELECT datname, datdba::regrole, pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database ORDER BY datname;
SELECT datname, grantee, privilege_type FROM pg_database, aclexplode(datacl) ORDER BY 1, 2, 3;
SELECT * FROM pg_db_role_setting ORDER BY setdatabase, setrole;
\\connect billing_stage
SELECT extname, extnamespace::regnamespace FROM pg_extension ORDER BY extname;
SELECT * FROM invoices;
"""


def sql(machine: Machine, statements: str, database: str = "postgres") -> str:
    """What PostgreSQL's superuser is told; fails the test when it is refused."""
    command = f"psql --no-psqlrc -qAt --set ON_ERROR_STOP=1 --dbname {database}"
    return machine.run(command, user="postgres", stdin=statements).stdout.strip()


def as_role(machine: Machine, role: str, password: str, database: str, statements: str = "SELECT 'in'") -> str:
    """What libpq is told over TCP, or PostgreSQL's words when it refuses."""
    command = (
        "IFS= read -r PGPASSWORD; export PGPASSWORD;"
        f" exec psql --no-psqlrc -qAt --set ON_ERROR_STOP=1 --host 127.0.0.1 --username {role} --dbname {database}"
    )
    run = machine.run(command, user="nobody", stdin=f"{password}\n{statements}\n", check=False)
    return run.stdout.strip() if run.returncode == 0 else run.stderr


def as_postgrex(machine: Machine, role: str, password: str) -> bool:
    """Whether the password's raw bytes log in."""
    run = subprocess.run(
        ["nsenter", "--target", str(machine.pid), "--net", sys.executable, raw_scram.__file__, role, role],
        input=password.encode(),
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0 or b"password authentication failed" in run.stderr, run.stderr
    return run.returncode == 0


@pytest.fixture(scope="module")
def postgres(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The machine and a repository whose deploy.py has PostgreSQL's steps alone; some data and a bystander are there."""
    path = tmp_path_factory.mktemp("postgres") / "project"
    project = with_steps(
        host.project,
        path,
        "database.managed_database(environment)",
        "secret_file.secret_file_and_database_password(environment, secrets)",
    )
    sql(
        host.machine,
        "CREATE ROLE reporting LOGIN PASSWORD 'reporting'; ALTER ROLE reporting SET work_mem = '8MB';"
        "ALTER ROLE billing_stage SET statement_timeout = '9s'; CREATE ROLE clerk;",
    )
    password = host.project.secrets("stage")["database_password"]
    as_role(host.machine, "billing_stage", password, "billing_stage", INVOICES)
    return Host(host.machine, project)


INVOICES = "CREATE TABLE invoices (total integer); INSERT INTO invoices VALUES (42);"


@pytest.mark.each_release
def test_the_application_logs_in_and_owns_its_database(postgres: Host) -> None:
    password = postgres.project.secrets("stage")["database_password"]
    told = as_role(
        postgres.machine,
        "billing_stage",
        password,
        "billing_stage",
        "CREATE TABLE names (name citext); INSERT INTO names VALUES ('Ada');"
        "SELECT name FROM names WHERE name = 'ADA'; DROP TABLE names;"
        "SELECT datdba::regrole, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database();"
        "SELECT lower('É');",
    )
    assert told.split("\n") == ["Ada", "billing_stage|UTF8", "é"]


@pytest.mark.each_release
@pytest.mark.parametrize(("role", "other"), [("stage", "prod"), ("prod", "stage")])
def test_an_environment_does_not_reach_the_others_database(postgres: Host, role: str, other: str) -> None:
    password = postgres.project.secrets(role)["database_password"]
    told = as_role(postgres.machine, f"billing_{role}", password, f"billing_{other}")
    assert f'permission denied for database "billing_{other}"' in told
    assert as_role(postgres.machine, f"billing_{role}", password, f"billing_{role}") == "in"
    assert 'permission denied for database "billing_stage"' in as_role(
        postgres.machine, "reporting", "reporting", "billing_stage"
    )


def test_public_holds_no_privilege(postgres: Host) -> None:
    rights = (
        "SELECT datname, privilege_type FROM pg_database, aclexplode(datacl) WHERE grantee = 0 AND datname ~ 'bill'"
    )
    assert sql(postgres.machine, rights) == ""
    assert (
        sql(postgres.machine, "SELECT count(*) FROM pg_database WHERE datacl IS NOT NULL AND datname ~ 'bill'") == "2"
    )


DRIFTS = {
    "superuser": ("ALTER ROLE billing_stage SUPERUSER", ROLE),
    "may create databases": ("ALTER ROLE billing_stage CREATEDB", ROLE),
    "may not log in": ("ALTER ROLE billing_stage NOLOGIN", ROLE),
    "expired": ("ALTER ROLE billing_stage VALID UNTIL '2001-01-01'", ROLE),
    "connection limit": ("ALTER ROLE billing_stage CONNECTION LIMIT 1", ROLE),
    "no password": ("ALTER ROLE billing_stage PASSWORD NULL", PASSWORD),
    "member of its neighbour": ("GRANT billing_prod TO billing_stage", ROLE),
    "owner": ("ALTER DATABASE billing_stage OWNER TO clerk", DATABASE),
    "open to all": ("GRANT CONNECT ON DATABASE billing_stage TO PUBLIC", PRIVILEGES),
    "passed on": (
        "GRANT CONNECT, TEMPORARY ON DATABASE billing_stage TO clerk WITH GRANT OPTION;"
        "SET ROLE clerk; GRANT CONNECT ON DATABASE billing_stage TO reporting",
        PRIVILEGES,
    ),
    "closed to its owner": ("REVOKE CONNECT ON DATABASE billing_stage FROM billing_stage", PRIVILEGES),
    "extension dropped": ("\\connect billing_stage\nDROP EXTENSION citext", EXTENSIONS),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_change_by_hand_is_listed_and_undone_alone(postgres: Host, drift: str) -> None:
    statement, operation = DRIFTS[drift]
    before = sql(postgres.machine, STATE)
    sql(postgres.machine, statement)
    assert sql(postgres.machine, STATE) != before
    assert planned_and_applied(postgres.project, "stage") == [[operation], [operation]]
    assert sql(postgres.machine, STATE) == before
    password = postgres.project.secrets("stage")["database_password"]
    assert as_role(postgres.machine, "billing_stage", password, "billing_stage") == "in"


@pytest.mark.each_release
def test_a_role_that_is_named_to_trick_us_is_shut_out_too(postgres: Host) -> None:
    name = '"x"" FROM PUBLIC; ALTER ROLE billing_stage SUPERUSER; --"'
    sql(postgres.machine, f"CREATE ROLE {name}; GRANT CONNECT ON DATABASE billing_stage TO {name}")
    assert postgres.project.applied() == {PRIVILEGES: ["stage"]}
    assert (
        sql(postgres.machine, f"DROP ROLE {name}; SELECT rolsuper FROM pg_roles WHERE rolname = 'billing_stage'") == "f"
    )


def test_a_changed_password_counts_from_the_next_apply(host: Host) -> None:
    """With the whole of deploy.py: the application's copy changes in the same run."""
    old = host.project.secrets("stage")["database_password"]
    host.project.set_secrets("stage", database_password="another-password")
    assert planned_and_applied(host.project, "stage") == [[PASSWORD]] * 2
    assert "password authentication failed" in as_role(host.machine, "billing_stage", old, "billing_stage")
    assert as_role(host.machine, "billing_stage", "another-password", "billing_stage") == "in"


@pytest.mark.parametrize(
    ("stage", "prod"),
    [
        ("""single ' double " back \\ slash \\\\ '' end\\""", "$1 ${HOME} $$ %s %(x)s :name :'name' \\q `id` #{x}"),
        ("pässword☃12", "שלום עולם שלום"),
    ],
)
def test_any_password_logs_in_through_libpq_and_through_postgrex(postgres: Host, stage: str, prod: str) -> None:
    machine = postgres.machine
    passwords = {"stage": stage, "prod": prod}
    for environment, password in passwords.items():
        assert not as_postgrex(machine, f"billing_{environment}", password)
        postgres.project.set_secrets(environment, database_password=password)
    assert postgres.project.applied() == {PASSWORD: ["prod", "stage"]}
    for environment, password in passwords.items():
        name = f"billing_{environment}"
        assert as_role(machine, name, password, name) == "in"
        assert as_postgrex(machine, name, password)
    assert postgres.project.planned() == {}


LOUD = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_transaction_sample_rate": "1",
    "log_min_error_statement": "debug5",
    "debug_print_parse": "on",
}


@pytest.fixture
def loud(postgres: Host) -> Iterator[Host]:
    """A server that logs all it can."""
    sql(postgres.machine, "".join(f"ALTER SYSTEM SET {key} = '{value}';\n" for key, value in LOUD.items()))
    sql(postgres.machine, "SELECT pg_reload_conf()")
    yield postgres
    sql(postgres.machine, "ALTER SYSTEM RESET ALL")
    sql(postgres.machine, "SELECT pg_reload_conf()")
    postgres.project.apply().require_success()


def server_log(machine: Machine) -> str:
    return machine.run("cat /var/log/postgresql/*.log; journalctl --output cat --no-pager").stdout


@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
def test_the_servers_log_never_holds_password_or_verifier(loud: Host, fails: bool) -> None:
    if fails:
        sql(loud.machine, "ALTER SYSTEM SET default_transaction_read_only = on")
        sql(loud.machine, "SELECT pg_reload_conf()")
    loud.project.set_secrets("stage", database_password=f"unheard-of-{fails}")
    run = loud.project.apply("-vvv", "--debug")
    assert run.exit_code == fails
    log = server_log(loud.machine)
    assert "pg_authid WHERE rolname = 'billing_stage'" in log
    assert ("cannot execute ALTER ROLE in a read-only transaction" in log) == fails
    for text in (log, run.output):
        assert "unheard-of" not in text
        assert "SCRAM-SHA-256" not in text


def test_an_extension_that_does_not_exist_fails_in_postgresqls_words(postgres: Host) -> None:
    postgres.project.edit("stage", database_extensions=["citext", "no-such"])
    run = postgres.project.apply()
    postgres.project.edit("stage", database_extensions=["citext"])
    assert run.exit_code == 1
    assert 'extension "no-such" is not available' in run.output


def test_the_owner_cannot_trick_the_superuser(postgres: Host) -> None:
    """The owner may say where names are looked up in its database, and make things that are found there."""
    password = postgres.project.secrets("stage")["database_password"]
    trap = """\
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring() RETURNS name LANGUAGE plpgsql AS $$
BEGIN
    ALTER ROLE billing_stage SUPERUSER;
    RETURN 'citext';
END $$;
CREATE VIEW trap.pg_extension AS SELECT trap.spring() AS extname;
ALTER DATABASE billing_stage SET search_path = trap, pg_catalog;
"""
    assert as_role(postgres.machine, "billing_stage", password, "billing_stage", trap) == ""
    sql(postgres.machine, "DROP EXTENSION citext", "billing_stage")
    assert postgres.project.applied() == {EXTENSIONS: ["stage"]}
    where = "SELECT extnamespace::regnamespace FROM pg_catalog.pg_extension WHERE extname = 'citext'"
    assert sql(postgres.machine, where, "billing_stage") == "public"
    assert sql(postgres.machine, "SELECT rolsuper FROM pg_roles WHERE rolname = 'billing_stage'") == "f"
    reset = "ALTER DATABASE billing_stage RESET search_path; DROP SCHEMA trap CASCADE;"
    as_role(postgres.machine, "billing_stage", password, "billing_stage", reset)


def test_the_superusers_psqlrc_does_not_count(postgres: Host) -> None:
    rc = "~postgres/.psqlrc"
    postgres.machine.run(f"printf '%s\\n' '\\timing on' '\\pset expanded on' '\\pset format wrapped' > {rc}")
    planned = postgres.project.planned()
    postgres.machine.run(f"rm {rc}")
    assert planned == {}


@pytest.mark.everything
def test_a_stopped_postgresql_is_started(host: Host) -> None:
    host.machine.run("systemctl stop postgresql.service 'postgresql@*'")
    _, applied = planned_and_applied(host.project, "stage")
    assert "Machine: PostgreSQL runs" in applied
    assert {ROLE, DATABASE, PRIVILEGES, EXTENSIONS}.isdisjoint(applied)


def test_while_postgresql_is_down(postgres: Host) -> None:
    """A plan says so, an apply fails in psql's words, and where it is managed elsewhere nobody asks."""
    postgres.machine.run("systemctl stop 'postgresql@*'")
    plan = postgres.project.pyinfra("deploy.py", "--dry")
    apply = postgres.project.apply()
    elsewhere = postgres.project.pyinfra("deploy.py", "--dry", "--data", "database_managed=False")
    postgres.machine.run('systemctl start $(pg_lsclusters -h | awk \'{ print "postgresql@" $1 "-" $2 }\')')
    assert "PostgreSQL does not answer, so nothing is known of" in plan.require_success().output
    assert apply.exit_code == 1
    assert "Is the server running locally and accepting connections" in apply.output
    assert "Traceback" not in apply.output
    assert "PostgreSQL" not in elsewhere.require_success().output


def test_a_managed_elsewhere_database_is_left_as_it_is(postgres: Host) -> None:
    sql(postgres.machine, "GRANT CONNECT ON DATABASE billing_stage TO PUBLIC; ALTER ROLE billing_stage CREATEDB")
    assert postgres.project.applied("--data", "database_managed=False") == {}
    assert postgres.project.applied() == {ROLE: ["stage"], PRIVILEGES: ["stage"]}


def recreate(machine: Machine, statements: str) -> None:
    """Role and database of stage as somebody made them, or as an interrupted run left them."""
    sql(machine, f"DROP DATABASE billing_stage; DROP ROLE billing_stage; {statements}")


def test_an_existing_database_is_taken_over_with_its_data(postgres: Host) -> None:
    recreate(
        postgres.machine,
        "CREATE ROLE billing_stage; GRANT clerk TO billing_stage;"
        "CREATE DATABASE billing_stage TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';",
    )
    sql(postgres.machine, f"SET ROLE pg_database_owner; {INVOICES}", "billing_stage")
    output = postgres.project.apply().require_success().output
    assert re.search("billing_stage is encoded in SQL_ASCII, which Ecto does not expect", output)
    password = postgres.project.secrets("stage")["database_password"]
    assert as_role(postgres.machine, "billing_stage", password, "billing_stage", "SELECT * FROM invoices") == "42"
    assert postgres.project.planned() == {}


INTERRUPTED = {
    "role without password": ("CREATE ROLE billing_stage;", [DATABASE, PRIVILEGES, EXTENSIONS, ROLE, PASSWORD]),
    "database open to all": (
        "CREATE ROLE billing_stage; CREATE DATABASE billing_stage OWNER billing_stage TEMPLATE template0;",
        [PRIVILEGES, EXTENSIONS, ROLE, PASSWORD],
    ),
}


@pytest.mark.parametrize("case", INTERRUPTED)
def test_an_interrupted_run_is_finished_by_the_next(postgres: Host, case: str) -> None:
    statements, operations = INTERRUPTED[case]
    recreate(postgres.machine, statements)
    assert sorted(postgres.project.applied()) == sorted(operations)
    password = postgres.project.secrets("stage")["database_password"]
    assert as_role(postgres.machine, "billing_stage", password, "billing_stage") == "in"
    assert postgres.project.planned() == {}


@pytest.mark.everything
def test_a_cluster_of_another_encoding_gets_databases_in_utf8(postgres: Host) -> None:
    """As on a server that was installed with LANG=C; last, since all databases go with the old cluster."""
    postgres.machine.run(
        "set -- $(pg_lsclusters -h); pg_dropcluster --stop $1 $2;"
        " pg_createcluster --start --locale C --encoding SQL_ASCII $1 $2"
    )
    assert sql(postgres.machine, "SHOW server_encoding") == "SQL_ASCII"
    postgres.project.apply().require_success()
    test_the_application_logs_in_and_owns_its_database(postgres)
    assert postgres.project.planned() == {}
