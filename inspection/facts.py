"""What a host says of a unit, a file system and a database: one fact each, as pyinfra asks for it."""

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from operations.host.psql import PSQL

# psql ends with 2 when it cannot connect (psql(1)).
_UNLESS_CONNECTED = "|| [ $? -eq 2 ]"


class UnitState(FactBase[dict[str, str]]):
    """`ActiveState`, `ActiveEnterTimestamp` (seconds since 1970 after an @), and `Release=yes` if one is there."""

    @staticmethod
    @override
    def default() -> dict[str, str]:
        return {}

    @override
    def command(self, unit: str, release: str) -> StringCommand:
        return StringCommand(
            "systemctl show --timestamp=unix --property ActiveState --property ActiveEnterTimestamp", QuoteString(unit),
            "; [ ! -e", QuoteString(release), "] || echo Release=yes",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in output)


class DiskUse(FactBase[int | None]):
    """How full the file system of a directory is, in percent; None without the directory."""

    @staticmethod
    @override
    def default() -> int | None:
        return None

    @override
    def command(self, directory: str) -> StringCommand:
        return StringCommand("df --output=pcent", QuoteString(directory), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> int | None:
        return int(output[1].strip(" %"))


class DatabaseSize(FactBase[str | None]):
    """Size of a database, as PostgreSQL says it to people; None when it cannot be connected to."""

    @staticmethod
    @override
    def default() -> str | None:
        return None

    @override
    def requires_command(self, database: str) -> str:
        return "psql"

    @override
    def command(self, database: str) -> StringCommand:
        query = "SELECT pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(pg_catalog.current_database()))"
        return StringCommand(
            PSQL, QuoteString(database), "--command", QuoteString(query), "2>/dev/null", _UNLESS_CONNECTED
        )

    @override
    def process(self, output: list[str]) -> str | None:
        return output[0]


class Rows(FactBase[list[str]]):
    """The rows of a query, one a line; none where PostgreSQL or the database is missing or does not answer."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def requires_command(self, database: str, query: str) -> str:
        return "psql"

    @override
    def command(self, database: str, query: str) -> StringCommand:
        return StringCommand(PSQL, QuoteString(database), "--command", QuoteString(query), _UNLESS_CONNECTED)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output
