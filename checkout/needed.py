"""Environment variables that an application insists on and that nobody sets."""

import re
from collections.abc import Iterator, Sequence

from checkout.configuration import Configuration
from checkout.difference import Compared, Difference
from checkout.values import Missing
from group_data.schema.environment import Environment

# The value in the application, for people.
NEEDED = "needed"

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
            yield Compared(missing.name, NEEDED, there, file, missing.line, _hint(file, missing, found, environment))


def unit_environment(name: str, value: str, environment: Environment) -> str:
    """The line of group data that sets a variable, and its place.

    + name: of the variable
    + value: of the variable
    + environment: with the variables it has already
    """
    entries = {**environment.unit_environment, name: value}.items()
    shown = ", ".join(f'"{key}": "{text}"' for key, text in entries)
    return f"unit_environment = {{{shown}}} in group_data/{environment.environment}.py"


def secret_variables(differences: Sequence[Difference]) -> Iterator[str]:
    """For each environment one line of group data that names every variable it needs.

    + differences: of all environments
    """
    names: dict[str, list[str]] = {}
    for difference in differences:
        if difference.application == NEEDED:
            names.setdefault(difference.environment, []).append(difference.setting.partition(" or ")[0])
    for environment, needed_there in names.items():
        shown = ", ".join(f'"{name}"' for name in dict.fromkeys(needed_there))
        yield f"group_data/{environment}.py, if all of them are secrets: secret_variables = [{shown}]"


def _hint(file: str, missing: Missing, found: Configuration, environment: Environment) -> str:
    if not environment.secrets_read_at_start:
        return "leave it to the secret file"
    if file != found.runtime:
        return f"read it in {found.runtime}, where the variables of the unit are set"
    name = missing.name.partition(" or ")[0]
    data = f"group_data/{environment.environment}.py"
    plain = unit_environment(name, "…", environment)
    if not _SECRET.search(name):
        return f'set {plain}; or, if it is a secret, add "{name}" to secret_variables'
    vault = f"make vault-set ENV={environment.environment} KEY={name}"
    return f'add "{name}" to secret_variables in {data}, its value with {vault}; or, if it is no secret, set {plain}'
