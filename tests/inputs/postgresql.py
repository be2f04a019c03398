"""The password, in PostgreSQL.

As a program, `python -m tests.inputs.postgresql` inside a machine's network: JSON on standard input, a list of [role,
base64 of the password]; prints the roles that could not log in.
"""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from operations.database import scram_verifier
from tests.host import raw_scram
from tests.inputs.refusals import Accepted
from tests.sandbox.machine import Machine

# Few rounds, because they take most of the time of a login. A role from a deploy has the usual number.
_ITERATIONS = 64
_CHECKOUT = Path(__file__).parents[2]


def passwords_arrive(machine: Machine, accepted: Sequence[Accepted]) -> list[str]:
    """With the verifier that PostgreSQL was given, the raw bytes of the vault's password log in, where one was drawn."""
    drawn = [item for item in accepted if "database_password" in item.case.drawn.secrets]
    roles = {f"inputs_{item.case.number}": item for item in drawn}
    statements = [
        f"CREATE ROLE {role} LOGIN PASSWORD '{scram_verifier(password(item), os.urandom(16), _ITERATIONS)}';"
        for role, item in roles.items()
    ]
    psql = "cd / && psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --single-transaction --dbname postgres"
    machine.run(psql, user="postgres", stdin="\n".join(statements))
    refused = logins(machine, {role: password(item) for role, item in roles.items()})
    machine.run(psql, user="postgres", stdin="\n".join(f"DROP ROLE {role};" for role in roles))
    return [f"postgresql: {role} cannot log in: {roles[role].case}" for role in refused]


def password(item: Accepted) -> str:
    """The password as it was written to the vault, not as it was read."""
    return str(item.case.secrets["database_password"])


def logins(machine: Machine, passwords: dict[str, str]) -> list[str]:
    """The roles that do not log in to the database `postgres` with these passwords."""
    asked = [[role, base64.b64encode(text.encode()).decode()] for role, text in passwords.items()]
    run = subprocess.run(
        ["nsenter", "--target", str(machine.pid), "--net", sys.executable, "-m", "tests.inputs.postgresql"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        cwd=_CHECKOUT,
        timeout=300,
    )
    return run.stdout.split()


def _main() -> None:
    for role, encoded in json.load(sys.stdin):
        with (
            socket.create_connection(("127.0.0.1", 5432), timeout=10) as connection,
            connection.makefile("rwb", buffering=0) as stream,
        ):
            try:
                raw_scram.log_in(stream, role, "postgres", base64.b64decode(encoded))
            except raw_scram.RefusedError:
                print(role)


if __name__ == "__main__":
    _main()
