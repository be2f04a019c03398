"""The vaults of the inventory, and what their commands say about a key."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from commands.deployment import ask
from group_data.schema.environment import Environment
from group_data.schema.problem import no_environment
from group_data.schema.reserved import source_of
from group_data.schema.secrets import REQUIRED_KEYS, Secrets, group_data_line, is_variable
from preflight.inventory import load
from vault import store
from vault.keys import VaultError, shown
from vault.trust import Consent, refuse_new_recipients
from vault.upkeep import Place


def places(needed: Sequence[str] = ()) -> dict[str, Place]:
    """The vault of every environment in the inventory, by name.

    + needed: environments whose settings must be right; none means all
    """
    return {
        name: Place(
            store.vault_path(environment.vault_directory, name),
            environment.vault_identity,
            (*REQUIRED_KEYS, "basic_auth_password") if environment.basic_auth_user else REQUIRED_KEYS,
        )
        for name, environment in load(needed).items()
    }


def place(environment: str) -> Place:
    """The vault of one environment.

    + environment: name of the environment

    Raises VaultError if there is no environment of this name.
    """
    known = places([environment])
    if environment not in known:
        raise VaultError(no_environment(environment, known))
    return known[environment]


def settings(environment: str) -> Environment:
    """The settings of one environment.

    + environment: name of the environment

    Raises VaultError if there is no environment of this name.
    """
    known = load([environment])
    if environment not in known:
        raise VaultError(no_environment(environment, known))
    return known[environment]


def require_free(environment: Environment, key: str) -> None:
    """Refuse a variable that the project makes itself.

    + environment: owner of the vault
    + key: of the vault
    """
    if environment.makes_variable(key):
        raise VaultError(f"{key} is made from {source_of(key)}: it has no value of its own")


def consent(*, accepted: bool, yes: bool) -> Consent:
    """The question about recipients who are new since the last seal. `--yes` is no answer to it.

    + accepted: whether the operator has accepted them with an option
    + yes: whether the operator wants no question, so that the answer is no
    """

    def answer(names: Sequence[str]) -> None:
        if accepted:
            return
        if yes or sys.stdin is None or not sys.stdin.isatty():
            refuse_new_recipients(names)
        click.echo("\n  ".join(["New in recipients.txt since the vault was sealed:", *names]), err=True)
        ask("May each of them read all secrets in it?", yes=False)

    return answer


def stored(environment: Environment, path: Path, verb: str, keys: Sequence[str]) -> str:
    """The sentences after a change of a vault: what was done, and what is left to do.

    + environment: owner of the vault
    + path: of the vault
    + verb: what was done, e.g. "changed"
    + keys: of the vault
    """
    lines = [f"{shown(path)}: {verb} {', '.join(keys)}"]
    if unnamed := [key for key in keys if is_variable(key) and key not in environment.vault_variables]:
        line = group_data_line([*environment.secret_variables, *unnamed])
        lines.append(f"Write into group_data/{environment.environment}.py, so that the application gets it: {line}")
        lines.append("A secret that only a build needs belongs into build_secrets instead.")
    for key in keys:
        if not is_variable(key) and key not in Secrets.model_fields:
            lines.append(f"{key} becomes `config :{environment.app}, {key}: …` in {environment.secret_path}")
    if set(keys) <= {*environment.vault_variables} - {*environment.secret_variables}:
        lines.append(f"The next make build ENV={environment.environment} gets it; there is nothing to apply.")
    else:
        lines.append(f"make apply ENV={environment.environment} brings it to the host.")
    return "\n".join(lines)
