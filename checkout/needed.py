"""Environment variables that an application insists on and that nobody sets."""

import re
from collections.abc import Iterator, Sequence

from checkout.configuration import Configuration
from checkout.difference import Compared, Difference
from checkout.values import Missing
from checkout.variables import start_variables
from group_data.schema.environment import Environment

# The value in the application, for people.
NEEDED = "needed"

_REPLACED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")

# Names of secrets. A variable with another name may be one, too, so the hint offers both settings.
_SECRET = re.compile(r"KEY|SECRET|PASSWORD|PASSWD|PASS$|TOKEN|SALT|CREDENTIAL|DSN|URL|PRIVATE|CERT")


def needed(found: Configuration, environment: Environment) -> Iterator[Compared]:
    """Each variable once, with the lines that supply it.

    + found: configuration of the application
    + environment: to compare with
    """
    seen: set[str] = set()
    for file, missing in [*found.missing, *_replaced_at_start(found, environment)]:
        if missing.name not in seen:
            seen.add(missing.name)
            at_start = file == found.runtime or (file, missing) not in found.missing
            there = "no such variable" if at_start else "a build has no such variable"
            hint = _supply(missing.name, environment) if at_start else _in_a_build(environment)
            yield Compared(missing.name, NEEDED, there, file, missing.line, hint)


def _replaced_at_start(found: Configuration, environment: Environment) -> Iterator[tuple[str, Missing]]:
    """The variables in texts such as "${SMTP_PASSWORD}", which Distillery replaces. The secret file sets the rest."""
    known = start_variables(environment)
    for path, setting in found.settings.items():
        if environment.secrets_read_at_start or not isinstance(setting.value, str):
            continue
        if path[:2] != (environment.app, environment.repo) and path[-1] != "secret_key_base":
            for name in _REPLACED.findall(setting.value):
                if name not in known:
                    yield setting.file, Missing(name, setting.line)


def _in_a_build(environment: Environment) -> str:
    if not environment.secrets_read_at_start:
        return "leave it to the secret file"
    return "read it when the release starts, because a build has no secrets"


def _supply(names: str, environment: Environment) -> str:
    name = names.partition(" or ")[0]
    data = f"group_data/{environment.environment}.py"
    plain = unit_environment(name, "…", environment)
    if not _SECRET.search(name):
        return f'set {plain}; or, if it is a secret, add "{name}" to secret_variables'
    vault = f"make vault-set ENV={environment.environment} KEY={name}"
    return f'add "{name}" to secret_variables in {data}, its value with {vault}; or, if it is no secret, set {plain}'


def unit_environment(name: str, value: str, environment: Environment) -> str:
    """The line of group data that sets a variable, and its place.

    + name: of the variable
    + value: of the variable
    + environment: with the variables it has already
    """
    entries = {**environment.unit_environment, name: value}.items()
    shown = ", ".join(f'"{key}": "{text}"' for key, text in entries)
    return f"unit_environment = {{{shown}}} in group_data/{environment.environment}.py"


def secret_variables(differences: Sequence[Difference], environments: Sequence[Environment]) -> Iterator[str]:
    """For each environment one line of group data that names every variable it needs, and those it has already.

    + differences: of all environments
    + environments: that were compared
    """
    for environment in environments:
        own = [found for found in differences if found.environment == environment.environment]
        names = [found.setting.partition(" or ")[0] for found in own if found.application == NEEDED]
        if names:
            known = getattr(environment, "secret_variables", ())
            shown = ", ".join(f'"{name}"' for name in dict.fromkeys([*known, *names]))
            yield f"group_data/{environment.environment}.py, if all of them are secrets: secret_variables = [{shown}]"
