"""The migrations of an environment as the running node lists them, so that a plan can tell what there is to do."""

from collections.abc import Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import expressions

# The node prints this after the list: without it the list was cut off.
_END = "end of migrations"

# Seconds: a plan does not wait longer for a node that hangs.
_PATIENCE = 10

# State, up or down, and version of each migration. Two repos may have the same version.
Migrations = Sequence[tuple[str, str]]


class MigrationsOfNode(FactBase[Migrations | None]):
    """State and version of each migration; None if the running node cannot tell."""

    @staticmethod
    @override
    def default() -> Migrations | None:
        return None

    @override
    def command(self, unit_path: str, app_path: str, words: list[str]) -> StringCommand:
        script, *arguments = words
        asked = program.command("release_command.sh", unit_path, app_path, script, str(_PATIENCE), "", *arguments)
        return StringCommand(asked, "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> Migrations | None:
        if _END not in output:
            return None
        rows = [line.split() for line in output]
        return [(row[0], row[1]) for row in rows if len(row) > 1 and row[0] in ("up", "down") and row[1].isdecimal()]


def of_node(environment: Environment) -> Migrations | None:
    """The migrations of the running release; None if nobody can tell without starting the release a second time.

    + environment: environment of the database
    """
    migrations: Migrations | None = host.get_fact(MigrationsOfNode, **arguments(environment))
    return migrations


def arguments(environment: Environment) -> dict[str, Any]:
    """Arguments of `MigrationsOfNode`.

    + environment: environment of the database
    """
    expression = f'{expressions.migrations(environment)}; IO.puts("{_END}")'
    return {
        "unit_path": environment.unit_path,
        "app_path": environment.app_path,
        "words": [environment.release_script, environment.tool.rpc, expression],
    }


def require_applied(migrations: Migrations | None, version: str) -> None:
    """Refuse to take back a migration that is not applied. Unknown migrations are left to the host.

    + migrations: from `of_node`
    + version: of the first migration to take back; a repo with a colon may stand before it

    Raises DeployError.
    """
    applied = [other for state, other in migrations or () if state == "up"]
    if migrations is not None and version.rpartition(":")[2] not in applied:
        known = ", ".join(applied) or "none"
        raise DeployError(f"migration {version} is not applied; applied: {known}. Nothing was changed")


def pending(migrations: Migrations | None) -> list[str]:
    """The versions that are not applied; none if they are unknown.

    + migrations: from `of_node`
    """
    return [version for state, version in migrations or () if state == "down"]


def none_is_pending(migrations: Migrations | None) -> bool:
    """Whether there is nothing to migrate. False for unknown migrations.

    + migrations: from `of_node`
    """
    return migrations is not None and not pending(migrations)
