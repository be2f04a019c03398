"""PostgreSQL role and database of one environment.

Passwords reach the server as SCRAM-SHA-256 verifiers over standard input, so no argument list and no server log ever holds
one. Only differences produce statements.
"""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Generator, Sequence
from typing import Any

from pydantic import SecretStr
from pyinfra import host, logger, state
from pyinfra.api import FactBase, OperationError, QuoteString, StringCommand, operation
from pyinfra.operations import postgres
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host.psql import PSQL, as_postgres
from operations.host.unit_state import down

# PostgreSQL's own default (scram_iterations), and RFC 7677's minimum.
ITERATIONS = 4096
SALT_BYTES = 16

# Keeps statements out of the server's log and of pg_stat_statements. These lines come before the transaction, because
# PostgreSQL decides at its beginning whether to sample it for the log.
UNLOGGED = """\
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_transaction_sample_rate = 0;
SET debug_print_parse = off;
SET debug_print_rewritten = off;
SET pg_stat_statements.track = 'none';
"""

# The fact's answer if psql could not connect, for example because the server is stopped. psql's exit code is then 2, or 3 in
# the middle of a script.
UNANSWERED = "no answer"

# Seconds that PostgreSQL waits for the rest of a login; its own default is 60. Until then the connection counts against all
# roles and superusers. The firewall's table of an environment (port-owner.nft.j2) lets in 2 a second.
LOGIN_SECONDS = 10

# The comment on roles and databases that this project made or took over.
MARK = "Managed by the deploy repository"

# Each answer is one line. In the database itself every name has its schema: the owner decides where PostgreSQL looks up a
# name, and could set a trap.
_STATE = """\
SELECT jsonb_build_object(
    'login_seconds', (SELECT setting::int FROM pg_settings WHERE name = 'authentication_timeout'),
    'role', (
        SELECT jsonb_build_object(
            'unsafe', rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin
                OR coalesce(rolvaliduntil, 'infinity') <> 'infinity',
            'connection_limit', rolconnlimit,
            'ours', shobj_description(pg_authid.oid, 'pg_authid') = '{mark}',
            'memberships', (
                SELECT coalesce(jsonb_agg(quote_ident(granted.rolname) || ' FROM ' || quote_ident(pg_authid.rolname)
                    || ' GRANTED BY ' || quote_ident(giver.rolname)), '[]')
                FROM pg_auth_members
                JOIN pg_roles AS granted ON granted.oid = roleid
                JOIN pg_roles AS giver ON giver.oid = grantor
                WHERE member = pg_authid.oid
            ),
            'iterations', split_part(split_part(rolpassword, '$', 2), ':', 1),
            'salt', split_part(split_part(rolpassword, '$', 2), ':', 2),
            'digest', encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex')
        )
        FROM pg_authid WHERE rolname = '{name}'
    ),
    'database', (
        SELECT jsonb_build_object(
            'encoding', pg_encoding_to_char(encoding),
            'owner', pg_get_userbyid(datdba),
            'of_superuser', (SELECT rolsuper FROM pg_roles WHERE pg_roles.oid = datdba),
            'ours', shobj_description(pg_database.oid, 'pg_database') = '{mark}',
            'owner_privileges', count(DISTINCT privilege_type) FILTER (WHERE grantee = datdba),
            'others', coalesce(jsonb_agg(DISTINCT coalesce(quote_ident(rolname), 'PUBLIC')) FILTER (
                WHERE grantee <> datdba AND rolname IS DISTINCT FROM '{name}'
                    AND privilege_type IN ('CONNECT', 'TEMPORARY')
            ), '[]')
        )
        FROM pg_database
        LEFT JOIN LATERAL aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl ON true
        LEFT JOIN pg_roles ON pg_roles.oid = grantee
        WHERE datname = '{name}'
        GROUP BY pg_database.oid, encoding, datdba
    )
);
SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') AS exists \\gset
\\if :exists
\\connect "{name}"
SELECT coalesce(pg_catalog.jsonb_agg(extname), '[]') FROM pg_catalog.pg_extension;
\\endif
"""

# Tables and rows as ANALYZE counted them, or else PostgreSQL's statistics. Operators have their schema: see _STATE.
_CONTENTS = """\
SELECT pg_catalog.format('%s tables with about %s rows', pg_catalog.count(*), coalesce(pg_catalog.sum(
    CASE WHEN c.reltuples OPERATOR(pg_catalog.>) 0 THEN c.reltuples::bigint
    ELSE pg_catalog.pg_stat_get_live_tuples(c.oid) END), 0))
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema'
    AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'
"""

# Gives what one role owns in a database to another one. REASSIGN OWNED would change other databases, too. What belongs to an
# extension or to a table follows it.
_OBJECTS = """\
SET LOCAL search_path = pg_catalog;
DO $objects$
DECLARE statement text;
BEGIN
    FOR statement IN
        SELECT format('ALTER %s %s OWNER TO %I', kind, identity, '{new}') FROM (
            SELECT 1, 'SCHEMA', format('%I', nspname), nspowner, oid, 2615::oid, oid FROM pg_namespace
            UNION ALL SELECT 2, CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
                WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, oid::regclass::text, relowner, relnamespace, 1259::oid, oid
                FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
            UNION ALL SELECT 3, 'ROUTINE', oid::regprocedure::text, proowner, pronamespace, 1255::oid, oid FROM pg_proc
            UNION ALL SELECT 4, 'TYPE', format_type(oid, NULL), typowner, typnamespace, 1247::oid, oid FROM pg_type
                WHERE typtype IN ('e', 'd', 'r') OR typrelid IN (SELECT oid FROM pg_class WHERE relkind = 'c')
        ) AS thing (place, kind, identity, owner, namespace, class, id) JOIN pg_namespace ON pg_namespace.oid = namespace
        WHERE owner = (SELECT oid FROM pg_roles WHERE rolname = {old})
            AND nspname <> 'information_schema' AND nspname !~ '^pg_' AND (kind, identity) <> ('SCHEMA', 'public')
            AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = class AND objid = id AND (deptype = 'e'
                OR kind = 'SEQUENCE' AND deptype IN ('a', 'i') OR kind = 'ROUTINE' AND deptype = 'i'))
        ORDER BY place, id
    LOOP
        EXECUTE statement;
    END LOOP;
END $objects$;
"""


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """The verifier that PostgreSQL stores for a password (RFC 5802 section 3, RFC 7677).

    + password: one that SASLprep does not change; the vault refuses others
    + salt: random bytes
    + iterations: number of PBKDF2 rounds
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(value).decode() for value in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


# Whether a plan has said that of a host.
_UNANSWERED = "database_unanswered"


class ServerState(FactBase[dict[str, Any] | None]):
    """The state of a role and of the database with the same name, in one answer; None if PostgreSQL does not answer.

    + login_seconds: how long the server waits for the rest of a login
    + role: attributes, whether its comment says that it is ours, and salt, iterations and digest of the verifier; empty if
      there is no role. The digest leaves the host, the verifier does not: a digest only allows a comparison
    + database: encoding, owner, whether that is a superuser, whether the comment says that it is ours, number of privileges
      (of three) that the owner holds, and other roles that may connect; empty if there is no database
    + extensions: names; None if nobody can connect to the database
    """

    @staticmethod
    @override
    def default() -> dict[str, Any] | None:
        return {"login_seconds": 60, "role": {}, "database": {}, "extensions": []}

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        script = _STATE.format(name=database, mark=MARK)
        return StringCommand(
            "printf %s", QuoteString(script), "|", PSQL, f"postgres || {{ [ $? -ge 2 ] && echo '{UNANSWERED}'; }}"
        )

    @override
    def process(self, output: list[str]) -> dict[str, Any] | None:
        server, *extensions = output
        if server == UNANSWERED:
            return None
        state = json.loads(server)
        return {
            "login_seconds": state["login_seconds"],
            "role": state["role"] or {},
            "database": state["database"] or {},
            "extensions": None if extensions == [UNANSWERED] else json.loads("".join(extensions) or "[]"),
        }


class Contents(FactBase[str | None]):
    """How much is in a database, for people; None if nobody can connect to it."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        return StringCommand(PSQL, QuoteString(database), "--command", QuoteString(_CONTENTS), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0]


def not_ours(server: dict[str, Any] | None, name: str, *, prepared: bool) -> list[str]:
    """Which of role and database somebody else made.

    A superuser's database in an environment that is prepared comes from somebody who restored it by hand.

    + server: from `ServerState`; None if PostgreSQL does not answer, so that nothing is known
    + name: of both
    + prepared: whether this repository prepared the environment
    """
    role, database = (server[key] for key in ("role", "database")) if server else ({}, {})
    strange_role = bool(role) and not (prepared or role.get("ours"))
    if not database or database.get("ours"):
        strange_database = False
    elif database["owner"] == name:
        strange_database = strange_role
    else:
        strange_database = not (prepared and database.get("of_superuser"))
    return ["role"] * strange_role + ["database"] * strange_database


def _require_ours(server: dict[str, Any], name: str, kind: str, *, prepared: bool, adopt: bool) -> bool:
    """Whether the role or the database is taken over from somebody else. The plan may not have seen a stopped PostgreSQL.

    Raises OperationError if the data does not say so.
    """
    strange = kind in not_ours(server, name, prepared=prepared)
    if strange and not adopt:
        raise OperationError(
            f"the PostgreSQL {kind} {name} is there and this repository did not make it: make plan names it; "
            "adopt = True takes it over"
        )
    return strange


@operation()
def short_logins(database: str) -> Generator[StringCommand]:
    """Let the server wait LOGIN_SECONDS at most for the rest of a login.

    + database: of an environment on the server, whose state is asked in any case
    """
    server = host.get_fact(ServerState, database=database)
    if server and server["login_seconds"] > LOGIN_SECONDS:
        setting = f"ALTER SYSTEM SET authentication_timeout = '{LOGIN_SECONDS}s'"
        yield StringCommand(
            PSQL, "postgres --command", QuoteString(setting), "--command", QuoteString("SELECT pg_reload_conf()")
        )


@operation()
def role(role: str, connection_limit: int, prepared: bool, adopt: bool) -> Generator[StringCommand]:
    """Create the role: it may log in, and has no rights outside its own database.

    pyinfra's own `postgres.role` never takes back an attribute or a membership.

    + role: name of the role and of its database
    + connection_limit: number of simultaneous connections
    + prepared: whether this repository prepared the environment before
    + adopt: whether somebody else's role is taken over

    Raises OperationError for somebody else's role.
    """
    server = host.get_fact(ServerState, database=role)
    if server is None:
        yield from _unanswered("postgres")
        return
    strange = _require_ours(server, role, "role", prepared=prepared, adopt=adopt)
    current = server["role"]
    statements = []
    if not current:
        statements.append(f'CREATE ROLE "{role}";')
    if not current or strange:
        statements.append(_mark("ROLE", role))
    if not current or current["unsafe"]:
        statements.append(
            f'ALTER ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
            " VALID UNTIL 'infinity';"
        )
    if not current or current["connection_limit"] != connection_limit:
        statements.append(f'ALTER ROLE "{role}" CONNECTION LIMIT {connection_limit};')
    statements += [f"REVOKE {membership} CASCADE;" for membership in current.get("memberships", [])]
    if statements:
        yield _execute("postgres", statements)


@operation()
def database(database: str, prepared: bool, adopt: bool) -> Generator[StringCommand]:
    """Create the database, in UTF-8 whatever the server's default, and give it to its owner.

    pyinfra's own `postgres.database` does the work if a change is needed. It cannot decide that here: it looks up all
    databases, and fails if the server is stopped, even in a plan that starts the server.

    + database: name of the database and of its owner
    + prepared: whether this repository prepared the environment before
    + adopt: whether somebody else's database is taken over, with what its owner owns in it

    Raises OperationError for somebody else's database.
    """
    server = host.get_fact(ServerState, database=database)
    if server is None:
        yield from _unanswered("postgres")
        return
    strange = _require_ours(server, database, "database", prepared=prepared, adopt=adopt)
    current = server["database"]
    if strange and current["owner"] != database:
        # Before the database itself, which is nobody else's from then on.
        yield _execute(database, [_OBJECTS.format(old=_literal(current["owner"]), new=database)])
    if current and current["encoding"] != "UTF8":
        host.log(
            f"The database {database} is encoded in {current['encoding']}, which Ecto does not expect and nobody can "
            "change: dump it, drop it, apply, and restore the dump.",
            logger.warning,
        )
    if not current or current["owner"] != database:
        yield from postgres.database._inner(
            database=database,
            owner=database,
            template="template0",
            encoding="UTF8",
            # Every Debian has this locale. Its order survives an upgrade of the C library, so no index needs a rebuild.
            lc_collate="C.UTF-8",
            lc_ctype="C.UTF-8",
            psql_database="postgres",
        )


@operation()
def privileges(database: str) -> Generator[StringCommand]:
    """Let only the owner and superusers connect to the database.

    + database: name of the database and of its owner
    """
    server = host.get_fact(ServerState, database=database)
    if server is None:
        yield from _unanswered("postgres")
        return
    current = server["database"]
    statements = []
    # A new database is open to everybody.
    if others := current.get("others", ["PUBLIC"]):
        # CASCADE, because a role may have passed its right on to others.
        statements.append(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{database}" FROM {", ".join(others)} CASCADE;')
    if current and current["owner_privileges"] < len(("CREATE", "CONNECT", "TEMPORARY")):
        statements.append(f'GRANT ALL ON DATABASE "{database}" TO "{database}";')
    if statements:
        if not current.get("ours"):
            statements.append(_mark("DATABASE", database))
        yield _execute("postgres", statements)


@operation()
def extensions(database: str, extensions: Sequence[str]) -> Generator[StringCommand]:
    """Create these extensions in the database; other extensions stay.

    + database: name of the database and of its owner
    + extensions: names as in pg_available_extensions
    """
    server = host.get_fact(ServerState, database=database)
    if server is None or server["extensions"] is None:
        yield from _unanswered(database if server else "postgres")
        return
    missing = [name for name in extensions if name not in server["extensions"]]
    if missing:
        # The owner can change the database's search_path. A superuser's objects belong into the usual schema.
        statements = [f'CREATE EXTENSION IF NOT EXISTS "{name}";' for name in missing]
        yield _execute(database, ["SET LOCAL search_path = public;", *statements])


def managed_database(environment: Environment, *, prepared: bool = True) -> None:
    """Manage role, database, privileges and extensions in the machine's own PostgreSQL, unless `database_managed` is False.

    `operations.secret_file` sets the role's password, together with the secret file.

    + environment: of the database
    + prepared: whether this repository prepared the environment before, so that a role without a mark is its own
    """
    if not environment.database_managed:
        return
    name, there = environment.database, as_postgres(environment.database_port)
    role(
        name="PostgreSQL role",
        role=name,
        connection_limit=environment.database_connection_limit,
        prepared=prepared,
        adopt=environment.adopt,
        **there,
    )
    database(name="PostgreSQL database", database=name, prepared=prepared, adopt=environment.adopt, **there)
    privileges(name="PostgreSQL database: open to its owner alone", database=name, **there)
    extensions(
        name="PostgreSQL extensions",
        database=name,
        extensions=environment.database_extensions,
        **there,
    )


def psql_as_postgres(port: int) -> str:
    """psql as the user postgres, for a step that runs as root.

    + port: of the cluster
    """
    # runuser keeps the working directory, and the user postgres may not be allowed there.
    return f"{{ cd / && PGPORT={port} runuser -u postgres -- {PSQL} postgres; }}"


def password_statements(role: str, password: SecretStr, port: int) -> str | None:
    """One line of SQL, without its COMMIT, that sets the role's password; None if the role has this password already.

    pyinfra's own `postgres.role` passes the password as an argument, and always reports a change. This line holds a
    verifier instead of the password.

    + role: name of the role and of its database; an earlier step creates it
    + password: the role's password
    + port: of the cluster
    """
    server = host.get_fact(ServerState, database=role, **as_postgres(port))
    # A plan that starts PostgreSQL cannot know the password. In execution psql itself says why it does not answer.
    if (server is None and not state.is_executing) or (server and _verifies(password, server["role"])):
        return None
    verifier = scram_verifier(password.get_secret_value(), os.urandom(SALT_BYTES))
    return _line([UNLOGGED, "BEGIN;", f"ALTER ROLE \"{role}\" PASSWORD '{verifier}';"])


def _verifies(password: SecretStr, current: dict[str, Any]) -> bool:
    if not (current.get("salt") and current.get("iterations")):
        return False
    expected = scram_verifier(
        password.get_secret_value(), base64.b64decode(current["salt"]), int(current["iterations"])
    )
    return hmac.compare_digest(hashlib.sha256(expected.encode()).hexdigest(), current["digest"])


def _unanswered(database: str) -> Generator[StringCommand]:
    """The command of a step without an answer: none in a plan that starts PostgreSQL, otherwise one that fails like psql."""
    if not state.is_executing:
        # Once, and not for each of the steps.
        if not host.connector_data.get(_UNANSWERED):
            host.log("PostgreSQL does not answer, so nothing is known of its roles and databases", logger.warning)
        host.connector_data[_UNANSWERED] = True
        if down("postgresql.service"):
            return
    late = '{ echo "PostgreSQL did not answer before: apply again" >&2; exit 1; }'
    yield StringCommand(PSQL, QuoteString(database), "--command", QuoteString("SELECT"), "&&", late)


def _execute(database: str, statements: Sequence[str]) -> StringCommand:
    """One transaction. COMMIT is its last word, so a connection that breaks before it changes nothing."""
    return StringCommand(PSQL, QuoteString(database), _stdin=_line([UNLOGGED, "BEGIN;", *statements, "COMMIT;"]))


def _mark(kind: str, name: str) -> str:
    return f"COMMENT ON {kind} \"{name}\" IS '{MARK}';"


def _literal(value: str) -> str:
    """A text as SQL quotes it (PostgreSQL documentation, 4.1.2.1)."""
    return "'" + value.replace("'", "''") + "'"


def _line(statements: Sequence[str]) -> str:
    return " ".join(statements).replace("\n", " ")
