"""How a release takes the place of the running application, and whether the machine has room for a second process."""

from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program

# Connections for a migration, and for whoever looks.
_SPARE = 3


class Room(NamedTuple):
    """What the running application has, and what is left for a second process of it. None for what cannot be told.

    + used: memory of its own, in MiB
    + available: memory of the machine that is free or can be freed, in MiB
    + connections: its connections to PostgreSQL
    + free: connections that PostgreSQL has left
    """

    used: int
    available: int | None
    connections: int | None
    free: int | None


class SecondProcess(FactBase[Room | None]):
    """What a second process would need, and what is there; None if the application does not run."""

    @override
    def command(self, unit: str, role: str, port: str) -> StringCommand:
        return program.command("second_process.sh", unit, role, port)

    @override
    def process(self, output: list[str]) -> Room | None:
        words = output[0].split() if output else []
        if len(words) != 4:
            return None
        used, available, connections, free = (int(word) if word.lstrip("-").isdecimal() else None for word in words)
        if used is None:
            return None
        return Room(used // 1024, None if available is None else available // 1024, connections, free)


def describe(environment: Environment) -> str:
    """How the application is replaced, for the plan.

    + environment: of the release

    Raises DeployError if a second process has no room.
    """
    if environment.release_strategy == "restart":
        return f"{environment.unit} restarts, and nginx shows its page meanwhile"
    port = str(environment.database_port) if environment.database_managed else ""
    room: Room | None = host.get_fact(SecondProcess, environment.unit, environment.database_role, port)
    if not room:
        return f"Nothing stands in: {environment.unit} does not run"
    if reasons := missing(environment, room):
        raise DeployError(
            "\n".join(f"{environment.environment}: {reason}" for reason in reasons)
            + '\nOr set release_strategy = "restart": the site is down then while the application restarts. '
            "Nothing was changed"
        )
    connections = "" if room.connections is None else f" and {room.connections} connections to PostgreSQL"
    return f"A stand-in serves meanwhile: a second process, with about {room.used} MiB of memory{connections}"


def missing(environment: Environment, room: Room) -> list[str]:
    """What a second process would lack.

    + environment: of the application
    + room: on its machine
    """
    reasons = []
    if 2 * room.used > environment.memory_limit:
        reasons.append(
            f"a stand-in needs as much memory as the application has, {room.used} MiB, and memory_limit = "
            f"{environment.memory_limit} holds for both together: raise it to {2 * room.used * 5 // 4}"
        )
    if room.available is not None and room.used > room.available:
        reasons.append(
            f"a stand-in needs as much memory as the application has, {room.used} MiB, and the machine has {room.available} "
            "MiB free"
        )
    if room.connections is None:
        return reasons
    if 2 * room.connections > environment.database_connection_limit:
        reasons.append(
            f"the application has {room.connections} connections to PostgreSQL, a stand-in as many, and "
            f"database_connection_limit = {environment.database_connection_limit} holds for both together: raise it to "
            f"{2 * room.connections + _SPARE}"
        )
    if room.free is not None and room.connections + _SPARE > room.free:
        reasons.append(
            f"a stand-in needs {room.connections} connections to PostgreSQL, as many as the application has, and "
            f"{room.free} are free: lower database_pool_size, or raise max_connections"
        )
    return reasons
