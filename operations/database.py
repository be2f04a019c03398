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
from typing import Any, cast

from pydantic import SecretStr
from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.operations import postgres
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets

# PostgreSQL's own default (scram_iterations), and RFC 7677's minimum.
ITERATIONS = 4096
SALT_BYTES = 16

PSQL = "psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname"

# What the server's log would show if it logged statements or errors.
UNLOGGED = "SET log_statement = 'none'; SET log_min_error_statement = 'panic'; SET log_min_duration_statement = -1;\n"


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


class RoleState(FactBase[dict[str, Any]]):
    """Attributes of a role, and salt, iterations and digest of its verifier; empty if it or PostgreSQL is missing.

    The digest, not the verifier, leaves the host: it serves to compare and for nothing else.
    """

    @staticmethod
    @override
    def default() -> dict[str, Any]:
        return {}

    @override
    def requires_command(self, role: str) -> str:
        return "psql"

    @override
    def command(self, role: str) -> StringCommand:
        return _query(
            "postgres",
            "SELECT json_build_object("
            "'unsafe', rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolcanlogin"
            " OR coalesce(rolvaliduntil, 'infinity') <> 'infinity',"
            " 'connection_limit', rolconnlimit,"
            " 'iterations', split_part(split_part(rolpassword, '$', 2), ':', 1),"
            " 'salt', split_part(split_part(rolpassword, '$', 2), ':', 2),"
            " 'digest', encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex'))"
            f" FROM pg_authid WHERE rolname = '{role}'",
        )

    @override
    def process(self, output: list[str]) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads("\n".join(output)))


class ConnectGrantees(FactBase[list[str]]):
    """Roles, or public, that may connect to the database without owning it: public, while there is no database yet."""

    @staticmethod
    @override
    def default() -> list[str]:
        return ["public"]

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        return _query(
            "postgres",
            "SELECT DISTINCT coalesce(rolname, 'public') FROM pg_database"
            " CROSS JOIN aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl"
            " LEFT JOIN pg_roles ON pg_roles.oid = acl.grantee"
            f" WHERE datname = '{database}' AND acl.grantee <> datdba AND privilege_type IN ('CONNECT', 'TEMPORARY')"
            # Never empty: pyinfra takes no output for no answer.
            " UNION SELECT '-'"
            f" UNION SELECT 'public' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}')",
        )

    @override
    def process(self, output: list[str]) -> list[str]:
        return [name for name in output if name != "-"]


class Extensions(FactBase[list[str]]):
    """Extensions of a database; none if the database or PostgreSQL is missing."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        exists = _query("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{database}'")
        return StringCommand('[ -z "$(', exists, ')" ] ||', _query(database, "SELECT extname FROM pg_extension"))

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


@operation()
def role(role: str, password: SecretStr, connection_limit: int) -> Generator[StringCommand]:
    """The role logs in with this password and can do nothing beyond what it owns.

    pyinfra's own `postgres.role` passes the password as an argument, reports a change each time it is given one, and
    never takes an attribute back.

    + role: name of the role
    + password: what it logs in with
    + connection_limit: connections it may hold at the same time
    """
    current = host.get_fact(RoleState, role=role)
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
    if not _verifies(password, current):
        verifier = scram_verifier(password.get_secret_value(), os.urandom(SALT_BYTES))
        statements.append(f"ALTER ROLE \"{role}\" PASSWORD '{verifier}';")
    if statements:
        yield _execute("postgres", statements)


@operation()
def connect_revoked(database: str) -> Generator[StringCommand]:
    """Nobody but its owner (and superusers) connects to the database.

    + database: name of the database
    """
    grantees = host.get_fact(ConnectGrantees, database=database)
    if grantees:
        names = ", ".join("PUBLIC" if name == "public" else f'"{name}"' for name in grantees)
        yield _execute("postgres", [f'REVOKE CONNECT, TEMPORARY ON DATABASE "{database}" FROM {names};'])


@operation()
def extensions(database: str, extensions: Sequence[str]) -> Generator[StringCommand]:
    """The database has these extensions; further ones are left alone.

    + database: name of the database
    + extensions: names as in pg_available_extensions
    """
    present = host.get_fact(Extensions, database=database)
    missing = [name for name in extensions if name not in present]
    if missing:
        yield _execute(database, [f'CREATE EXTENSION IF NOT EXISTS "{name}";' for name in missing])


def managed_database(environment: Environment, secrets: Secrets) -> None:
    """Role, database, its privileges and extensions in the machine's own PostgreSQL, if it is managed here."""
    if not environment.database_managed:
        return
    name = environment.database
    # sudo keeps the working directory, which the user postgres may not enter.
    as_postgres: dict[str, Any] = {"_sudo_user": "postgres", "_chdir": "/"}
    role(
        name="PostgreSQL role",
        role=name,
        password=secrets.database_password,
        connection_limit=environment.database_connection_limit,
        **as_postgres,
    )
    postgres.database(name="PostgreSQL database", database=name, owner=name, psql_database="postgres", **as_postgres)
    connect_revoked(name="PostgreSQL database: open to its owner alone", database=name, **as_postgres)
    extensions(name="PostgreSQL extensions", database=name, extensions=environment.database_extensions, **as_postgres)


def _verifies(password: SecretStr, current: dict[str, Any]) -> bool:
    if not current or not (current["salt"] and current["iterations"]):
        return False
    expected = scram_verifier(
        password.get_secret_value(), base64.b64decode(current["salt"]), int(current["iterations"])
    )
    return hmac.compare_digest(hashlib.sha256(expected.encode()).hexdigest(), current["digest"])


def _query(database: str, sql: str) -> StringCommand:
    return StringCommand(PSQL, QuoteString(database), "--command", QuoteString(sql))


def _execute(database: str, statements: Sequence[str]) -> StringCommand:
    return StringCommand(
        PSQL, QuoteString(database), "--single-transaction", _stdin=UNLOGGED + "\n".join(statements) + "\n"
    )
