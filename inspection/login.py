"""Whether PostgreSQL lets an application in with the password of its vault, asked on the host."""

from pyinfra.api import Host, QuoteString, StringCommand

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.probe import PATIENCE, shell_program


def login_refusal(host: Host, environment: Environment, secrets: Secrets) -> str | None:
    """The reason PostgreSQL gives for refusing the password; empty if it accepts it, None where there is no client.

    + environment: its database and role
    + secrets: of its vault
    """
    words = connection(environment)
    succeeded, output = host.run_shell_command(
        StringCommand(*map(QuoteString, shell_program("database_login.sh", words))),
        _sudo=True,
        _chdir="/",
        _stdin=secrets.database_password.get_secret_value(),
    )
    if succeeded:
        return ""
    # A database that is managed elsewhere brings no client with it.
    return None if "psql: not found" in output.stderr else output.stderr.strip().splitlines()[-1]


def connection(environment: Environment, *, socket: bool = False) -> str:
    """The connection to an environment's database as psql takes it, without a password.

    + environment: its database and role
    + socket: reach PostgreSQL of the machine by its socket, where it knows the unix user
    """
    at_home = socket and environment.database_managed
    settings = {
        "host": "/run/postgresql" if at_home else environment.database_host,
        "port": str(environment.database_port),
        "user": environment.database_role,
        "dbname": environment.database,
        "connect_timeout": str(PATIENCE),
    }
    if environment.database_tls == "verified":
        settings |= {"sslmode": "verify-full", "sslrootcert": environment.database_ca_path}
    return " ".join(f"{name}='{value}'" for name, value in settings.items())
