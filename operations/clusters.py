"""The cluster of PostgreSQL that an environment is to have: refused where nobody here could use it."""

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program


class ClusterTroubles(FactBase[list[list[str]]]):
    """The lines of operations/programs/clusters.sh: word and details."""

    @staticmethod
    @override
    def default() -> list[list[str]]:
        return []

    @override
    def command(self, port: int) -> StringCommand:
        return program.command("clusters.sh", str(port))

    @override
    def process(self, output: list[str]) -> list[list[str]]:
        return [line.split("\t") for line in output]


def require(environment: Environment) -> None:
    """Refuse an environment whose database is managed in a cluster that there is not, or that lets nobody in.

    + environment: of the database

    Raises DeployError; the run ends before anything has changed.
    """
    if not environment.database_managed:
        return
    found = host.get_fact(ClusterTroubles, port=environment.database_port)
    if reasons := [sentence(environment, *line) for line in found]:
        raise DeployError(f"{environment.environment}: {'; '.join(reasons)}. Nothing was changed")


def sentence(environment: Environment, word: str, *details: str) -> str:
    """One line of the program, with the way out.

    + environment: of the database
    + word: of the line
    + details: of the line
    """
    name, port, details = environment.environment, environment.database_port, (*details, "", "")
    cluster = details[0]
    files = f"/etc/postgresql/{cluster}"
    if word == "cluster":
        return (
            f"no cluster of PostgreSQL has port {port}; there is {cluster}. Set database_port in group_data/{name}.py to "
            "the port of the one that this environment is to use"
        )
    if word == "sockets":
        return (
            f"PostgreSQL's cluster {cluster} takes no connections at 127.0.0.1:{port}, where the application connects: set "
            f"listen_addresses = 'localhost' in {files}/postgresql.conf, and systemctl restart postgresql@"
            f"{cluster.replace('/', '-')}"
        )
    return (
        f"PostgreSQL's cluster {cluster} does not let its user postgres in ({details[1]}), and apply works as this user: "
        f"put the line `local all postgres peer` before all others into {files}/pg_hba.conf, and systemctl reload postgresql"
    )
