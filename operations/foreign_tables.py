"""Tables of an environment's database that belong to another role: its migrations could not change them."""

import shlex
from collections.abc import Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host.psql import PSQL, as_postgres
from operations.host.report import announce

# Tables, views and sequences, without those of extensions. A few are enough to see whose they are.
_QUERY = """\
SELECT format('%I.%I of %I', n.nspname, c.relname, pg_get_userbyid(c.relowner))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND pg_get_userbyid(c.relowner) <> '{role}'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
ORDER BY 1 LIMIT 5
"""


class ForeignTables(FactBase[list[str]]):
    """Names of tables, views and sequences of other roles, each with its owner; five at most."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def requires_command(self, database: str, role: str) -> str:
        return "psql"

    @override
    def command(self, database: str, role: str) -> StringCommand:
        query = " ".join(_QUERY.format(role=role).split("\n")).strip()
        return StringCommand(PSQL, QuoteString(database), "--command", QuoteString(query), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def arguments(environment: Environment) -> dict[str, Any]:
    """The arguments of the fact, without those that say how it is asked."""
    return {"database": environment.database, "role": environment.database_role}


def variables(way: dict[str, str]) -> dict[str, str]:
    """The variables of psql with which the owner of the database decides nothing about the answer.

    + way: variables that lead to the cluster
    """
    return way | {"PGOPTIONS": "-c search_path=pg_catalog"}


def tell(environment: Environment) -> None:
    """Name such tables in a plan: they keep migrations from changing them.

    + environment: of the database
    """
    if not environment.database_managed:
        return
    way = as_postgres(environment.database_port)
    tables = host.get_fact(ForeignTables, **arguments(environment), **way | {"_env": variables(way["_env"])})
    if tables:
        announce(sentence(environment, tables))


def sentence(environment: Environment, tables: Sequence[str]) -> str:
    """What such tables mean.

    + environment: of the database
    + tables: with their owners, at least one
    """
    return (
        f"the database {environment.database} has tables that are not of {environment.database_role}: {', '.join(tables)}. "
        "A migration that changes one fails"
    )


def mend(environment: Environment, tables: Sequence[str]) -> str:
    """The command that gives the first of them to the role of the environment.

    + environment: of the database
    + tables: with their owners, at least one
    """
    table = tables[0].rsplit(" of ", 1)[0]
    statement = f"ALTER TABLE {table} OWNER TO {environment.database_role}"
    # Whoever makes a table chooses its name.
    quoted = shlex.quote(statement)
    return f"cd / && sudo -u postgres psql -p {environment.database_port} -d {environment.database} -c {quoted}"
