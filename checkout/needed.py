"""Environment variables that an application insists on and that nobody sets."""

import re
from collections.abc import Iterator

from checkout.configuration import Configuration
from checkout.difference import Compared
from checkout.values import Missing
from group_data.schema.environment import Environment

# Names of secrets. A variable with another name may be one, too, so the hint offers both settings.
_SECRET = re.compile(r"KEY|SECRET|PASSWORD|PASSWD|PASS$|TOKEN|SALT|CREDENTIAL|DSN|URL|PRIVATE|CERT")


def needed(found: Configuration, environment: Environment) -> Iterator[Compared]:
    """Each variable once, with the lines that supply it.

    + found: configuration of the application
    + environment: to compare with
    """
    seen: set[str] = set()
    for file, missing in found.missing:
        if missing.name not in seen:
            seen.add(missing.name)
            there = "a build has no such variable" if file != found.runtime else "no such variable"
            yield Compared(missing.name, "needed", there, file, missing.line, _hint(file, missing, found, environment))


def _hint(file: str, missing: Missing, found: Configuration, environment: Environment) -> str:
    if not environment.secrets_read_at_start:
        return "leave it to the secret file"
    if file != found.runtime:
        return f"read it in {found.runtime}, where the variables of the unit are set"
    name = missing.name.partition(" or ")[0]
    data = f"group_data/{environment.environment}.py"
    plain = f'unit_environment = {{"{name}": "…"}} in {data}'
    if not _SECRET.search(name):
        return f'set {plain}; or, if it is a secret, add "{name}" to secret_variables'
    vault = f"make vault-set ENV={environment.environment} KEY={name}"
    return (
        f'add "{name}" to secret_variables in {data}, and its value with {vault}; or, if it is no secret, set {plain}'
    )
