"""PostgreSQL role and database of one environment.

Passwords reach the server as SCRAM-SHA-256 verifiers over standard input: neither an argument list nor the server's log
ever holds one. Statements are generated only for what differs.
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
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.operations import postgres
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host.psql import PSQL
from operations.host.unit_state import down

# PostgreSQL's own default (scram_iterations), and RFC 7677's minimum.
ITERATIONS = 4096
SALT_BYTES = 16

# For a step that root carries out. runuser keeps the working directory, which the user postgres may not enter.
PSQL_AS_POSTGRES = f"{{ cd / && runuser -u postgres -- {PSQL} postgres; }}"

# sudo keeps the working directory too. A .psqlrc could give psql's answers another form, and pyinfra's own operation
# reads it.
AS_POSTGRES: dict[str, Any] = {"_sudo_user": "postgres", "_chdir": "/", "_env": {"PSQLRC": "/dev/null"}}

# Whatever the server's log or pg_stat_statements would keep of a statement. Before the transaction: whether that is
# sampled for the log is decided when it begins.
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

# What the fact says when psql could not connect (its exit code is 2, or 3 in the middle of a script), be it that the server
# is stopped.
UNANSWERED = "no answer"

# Each answer is one line. In the database itself everything is named with its schema: the owner decides where a name is
# looked up, and could make it a trap for us.
_STATE = """\
SELECT jsonb_build_object(
    'role', (
        SELECT jsonb_build_object(
            'unsafe', rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin
                OR coalesce(rolvaliduntil, 'infinity') <> 'infinity',
            'connection_limit', rolconnlimit,
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
        GROUP BY encoding, datdba
    )
);
SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') AS exists \\gset
\\if :exists
\\connect "{name}"
SELECT coalesce(pg_catalog.jsonb_agg(extname), '[]') FROM pg_catalog.pg_extension;
\\endif
"""


def scram_verifier(password: str, salt: bytes, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores for a password (RFC 5802 section 3, RFC 7677).

    + password: one that SASLprep leaves as it is; the vault refuses others
    + salt: random bytes
    + iterations: of PBKDF2
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(value).decode() for value in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{encoded[0]}${encoded[1]}:{encoded[2]}"


class ServerState(FactBase[dict[str, Any] | None]):
    """What PostgreSQL says of a role and the database of the same name, in one answer; None if it does not answer.

    + role: attributes, and salt, iterations and digest of the verifier; empty if there is none. The digest, not the
      verifier, leaves the host: it serves to compare and for nothing else
    + database: encoding, owner, how many of the three privileges that one holds, and who else, but the role, may connect;
      empty if there is none
    + extensions: of the database; None if it cannot be connected to
    """

    @staticmethod
    @override
    def default() -> dict[str, Any] | None:
        return {"role": {}, "database": {}, "extensions": []}

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        script = _STATE.format(name=database)
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
            "role": state["role"] or {},
            "database": state["database"] or {},
            "extensions": None if extensions == [UNANSWERED] else json.loads("".join(extensions) or "[]"),
        }


@operation()
def role(role: str, connection_limit: int) -> Generator[StringCommand]:
    """The role exists, may log in, and can do nothing beyond what it owns.

    pyinfra's own `postgres.role` never takes an attribute or a membership back.

    + role: its name, and its database's
    + connection_limit: connections it may hold at the same time
    """
    server = host.get_fact(ServerState, database=role)
    if server is None:
        yield from _unanswered("postgres")
        return
    current = server["role"]
    statements = []
    if not current:
        statements.append(f'CREATE ROLE "{role}";')
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
def database(database: str) -> Generator[StringCommand]:
    """The database exists, in UTF-8 whatever the server's default, and belongs to its owner.

    pyinfra's own `postgres.database` does the work where there is some. It takes a server that is stopped for a failure even
    while planning to start it, and looks up all databases.

    + database: its name, and its owner's
    """
    server = host.get_fact(ServerState, database=database)
    if server is None:
        yield from _unanswered("postgres")
        return
    current = server["database"]
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
            # On every Debian, and sorts the same after an upgrade of its C library: no index has to be built anew.
            lc_collate="C.UTF-8",
            lc_ctype="C.UTF-8",
            psql_database="postgres",
        )


@operation()
def privileges(database: str) -> Generator[StringCommand]:
    """Nobody but its owner (and superusers) connects to the database.

    + database: its name, and its owner's
    """
    server = host.get_fact(ServerState, database=database)
    if server is None:
        yield from _unanswered("postgres")
        return
    current = server["database"]
    statements = []
    # A database that is yet to be made is open to all.
    if others := current.get("others", ["PUBLIC"]):
        # Cascading: whoever was given the right to pass it on may have done so.
        statements.append(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{database}" FROM {", ".join(others)} CASCADE;')
    if current and current["owner_privileges"] < len(("CREATE", "CONNECT", "TEMPORARY")):
        statements.append(f'GRANT ALL ON DATABASE "{database}" TO "{database}";')
    if statements:
        yield _execute("postgres", statements)


@operation()
def extensions(database: str, extensions: Sequence[str]) -> Generator[StringCommand]:
    """The database has these extensions; further ones are left alone.

    + database: its name, and its owner's
    + extensions: names as in pg_available_extensions
    """
    server = host.get_fact(ServerState, database=database)
    if server is None or server["extensions"] is None:
        yield from _unanswered(database if server else "postgres")
        return
    missing = [name for name in extensions if name not in server["extensions"]]
    if missing:
        # The owner decides on the database's own search_path; what a superuser makes goes where everybody expects it.
        statements = [f'CREATE EXTENSION IF NOT EXISTS "{name}";' for name in missing]
        yield _execute(database, ["SET LOCAL search_path = public;", *statements])


def managed_database(environment: Environment) -> None:
    """Role, database, its privileges and extensions in the machine's own PostgreSQL, if it is managed here.

    The role's password is set together with the secret file, see `operations.secret_file`.
    """
    if not environment.database_managed:
        return
    name = environment.database
    role(
        name="PostgreSQL role",
        role=name,
        connection_limit=environment.database_connection_limit,
        **AS_POSTGRES,
    )
    database(name="PostgreSQL database", database=name, **AS_POSTGRES)
    privileges(name="PostgreSQL database: open to its owner alone", database=name, **AS_POSTGRES)
    extensions(
        name="PostgreSQL extensions",
        database=name,
        extensions=environment.database_extensions,
        **AS_POSTGRES,
    )


def password_statements(role: str, password: SecretStr) -> str | None:
    """One line of SQL after which, once committed, the role logs in with this password; None if it does already.

    pyinfra's own `postgres.role` passes the password as an argument and reports a change each time it is given one. Here a
    verifier stands in its place.

    + role: name of a role that exists, or will, and of its database
    + password: what it logs in with
    """
    server = host.get_fact(ServerState, database=role, **AS_POSTGRES)
    # While planning to start PostgreSQL nothing is known. While executing psql itself says why it does not answer.
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
    """What a step does that learnt nothing: in a plan that starts PostgreSQL nothing, otherwise fail in psql's words."""
    if not state.is_executing:
        host.log(f"PostgreSQL does not answer, so nothing is known of {database} and its role", logger.warning)
        if down("postgresql.service"):
            return
    late = '{ echo "PostgreSQL did not answer before: apply again" >&2; exit 1; }'
    yield StringCommand(PSQL, QuoteString(database), "--command", QuoteString("SELECT"), "&&", late)


def _execute(database: str, statements: Sequence[str]) -> StringCommand:
    """One transaction, committed by the last word alone: a connection that breaks in the middle changes nothing."""
    return StringCommand(PSQL, QuoteString(database), _stdin=_line([UNLOGGED, "BEGIN;", *statements, "COMMIT;"]))


def _line(statements: Sequence[str]) -> str:
    return " ".join(statements).replace("\n", " ")
