"""The end of an environment: a last backup, then everything of it goes."""

from collections.abc import Callable, Generator, Sequence

from pyinfra import logger
from pyinfra.api import FunctionCommand, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.state import State

from group_data.schema.environment import Environment
from operations.host import program


def backup_path(environment: Environment) -> str:
    """The directory of the last backup, which is no trace of the environment.

    + environment: that goes
    """
    return f"/var/backups/{environment.full_name}"


def require_allowed(environment: Environment, *, force: bool) -> None:
    """Refuse to destroy a public environment, unless somebody insists.

    + environment: that should go
    + force: whether somebody insists

    Raises DeployError.
    """
    if environment.indexed and not force:
        raise DeployError(
            f"{environment.environment} is public: group data has indexed = True. FORCE=1 destroys it all the same. "
            "Nothing was changed"
        )


@operation(is_idempotent=False)
def last_backup(environment: Environment, database: str) -> Generator[StringCommand]:
    """Stop the application and back its database up. Nothing is removed if that fails.

    + environment: that goes
    + database: to back up; empty if there is none
    """
    yield program.command(
        "last_backup.sh", environment.unit, database, backup_path(environment), str(environment.task_timeout),
        str(environment.database_port),
    )  # fmt: skip


@operation(is_idempotent=False)
def nothing_left(environment: str, find: Callable[[Host], Sequence[str]]) -> Generator[FunctionCommand]:
    """Fail, and name it, if something of the environment is still there.

    + environment: its name
    + find: what is there, asked on the host
    """
    yield FunctionCommand(_is_gone, [environment, find], {})


def _is_gone(state: State, host: Host, environment: str, find: Callable[[Host], Sequence[str]]) -> bool:
    left = find(host)
    for thing in left:
        host.log_styled(
            f"still there: {thing}. Run make destroy ENV={environment} again", fg="red", log_func=logger.error
        )
    return not left
