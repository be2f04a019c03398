"""The command line of psql for every question and statement, and the way to PostgreSQL as its own user."""

from typing import Any

# One unaligned row a line, no headings; an error ends psql. The name of the database follows.
PSQL = "psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname"

DEFAULT_PORT = 5432


def as_postgres(port: int) -> dict[str, Any]:
    """The arguments of a step or fact that asks a cluster of the machine as the user postgres, by its socket.

    + port: of the cluster
    """
    # sudo keeps the working directory. pyinfra's own operations read .psqlrc, which could change the form of answers.
    return {"_sudo_user": "postgres", "_chdir": "/", "_env": at(port)}


def at(port: int) -> dict[str, str]:
    """The variables of psql for a cluster of the machine.

    + port: of the cluster
    """
    return {"PSQLRC": "/dev/null", "PGPORT": str(port)}
