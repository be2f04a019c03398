"""A case is accepted as it is written, or refused with a message that names its key and shows no secret."""

import re
from copy import copy
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api import Inventory

from group_data.schema.environment import Environment
from group_data.schema.inventory import SettingsError, read_environments
from group_data.schema.secrets import Secrets
from tests.inputs.cases import Case
from tests.inputs.wording import leaks
from tests.sandbox.vaults import IDENTITY
from vault import store
from vault.recipients import read_recipients

_HOST = "host"

# Made once: pyinfra looks through all installed packages for each inventory.
_INVENTORY = Inventory(([_HOST], {}))


@dataclass(frozen=True)
class Accepted:
    """A case that would be deployed."""

    case: Case
    environment: Environment
    secrets: Secrets


class WrongError(AssertionError):
    """A case that was changed, or refused with a bad message."""


def accept(case: Case, vaults: Path) -> Accepted | None:
    """The data that would be deployed for a case; None after a correct refusal.

    + case: the case
    + vaults: a folder with a key, as made by `tests.sandbox.vaults.make_vaults`; the case's vault is written there

    Raises WrongError when a refusal does not name its key or shows a secret. Any other exception is passed on with the case
    in its notes.
    """
    try:
        environment, secrets = _environment(case), _secrets(case, vaults)
    except Exception as error:
        error.add_note(repr(case))
        raise
    return Accepted(case, environment, secrets) if environment and secrets else None


def _environment(case: Case) -> Environment | None:
    # It caches the one inventory of a run.
    read_environments.cache_clear()
    inventory = copy(_INVENTORY)
    inventory.host_data = {_HOST: {"ssh_hostname": "server.example.com"} | case.settings}
    try:
        environment = read_environments(inventory)[_HOST]
    except SettingsError as error:
        refusal = str(error)
    else:
        # Raises UnicodeEncodeError for text that no file can hold.
        str(environment.model_dump()).encode()
        "".join([*environment.aliases.values(), *environment.unit_environment.values()]).encode()
        return environment
    problems = [line for line in refusal.splitlines() if line.startswith(f"  {_HOST}: ")]
    if not problems or any(not any(name in line for name in case.drawn.settings) for line in problems):
        raise WrongError(f"refused without the name of what was drawn: {refusal!a}")
    if not all(character.isprintable() or character == "\n" for character in refusal):
        raise WrongError(f"a message no terminal should be shown: {refusal!a}")
    return None


def _secrets(case: Case, vaults: Path) -> Secrets | None:
    path = vaults / "case.age"
    path.write_bytes(store.seal(case.vault.encode(errors="surrogatepass"), read_recipients(vaults)))
    try:
        secrets = store.open_vault(path, str(vaults / IDENTITY))
    except store.VaultError as error:
        refusal = str(error)
    else:
        read = {
            **{name: getattr(secrets, name) for name in Secrets.model_fields},
            **secrets.application,
            **secrets.variables,
        }
        if {key: value.get_secret_value() for key, value in read.items() if value is not None} != case.secrets:
            raise WrongError("the vault does not hold what was written into it")
        return secrets
    named = [_name(key) for key in case.secrets if f"  {_name(key)}: " in refusal]
    # Text that is no TOML has no keys yet: its line is named.
    if not named and not re.search(r"line \d+ is not|the end of the text is not", refusal):
        raise WrongError(f"refused without the name of a key: {refusal!a}")
    for name in named:
        refusal = refusal.replace(name, "")
    if leaks(refusal, map(str, case.secrets.values())):
        raise WrongError(f"a secret is in the message: {refusal!a}")
    return None


def _name(key: str) -> str:
    """A key in the form of a message: it could be a pasted value or hold commands for a terminal."""
    return key if re.fullmatch(r"\w{1,255}", key, re.ASCII) else ascii(key[:32])
