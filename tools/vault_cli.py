"""The vault's commands, run as `python -m tools.vault init ENV`, `edit ENV` and `recipients`.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 128 and
the number of a signal that ended it. `YES=1` in the environment lets a change through that shuts its author out.
"""

import argparse
import os
import secrets
import shlex
import string
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.secrets import REQUIRED_KEYS
from tools import vault
from tools.vault_edit import edit_in_memory
from tools.vault_keys import (
    MAKE_KEY,
    RECIPIENTS_FILE,
    Identities,
    Recipient,
    VaultError,
    find_identities,
    own_public_keys,
    read_recipients,
    shown,
)

_HEADER = """\
# Secrets of {environment}. To change them: make vault-edit ENV={environment}
#
# One key = "value" a line. A value with " or \\ in it goes in single quotes: 'say "this"'.
#   database_password        of the PostgreSQL role
#   secret_key_base          Phoenix signs sessions with it; at least 64 bytes
#   cookie                   of the Erlang node; letters, digits, _ and -
#   appsignal_push_api_key   only where the application reports to AppSignal
#   basic_auth_password      only where group data sets basic_auth_user; 8 to 72 ASCII characters
# Any other lower_snake_case key is the application's own.

"""


class Place(NamedTuple):
    """Where the vault of an environment is, the identity file its group data names, if any, and the keys it must have."""

    path: Path
    identity: str | None
    keys: tuple[str, ...] = REQUIRED_KEYS


def places() -> dict[str, Place]:
    """The vault of every environment in the inventory, by the environment's name."""
    from tools.environments import load

    return {
        name: Place(
            vault.vault_path(environment.vault_directory, name),
            environment.vault_identity,
            (*REQUIRED_KEYS, "basic_auth_password") if environment.basic_auth_user else REQUIRED_KEYS,
        )
        for name, environment in load().items()
    }


def init(place: Place) -> str:
    """Make a vault, or the required keys a vault lacks, with strong random values. Never changes a key that is there.

    + place: the vault

    Returns what was done, by the names of the keys. Raises VaultError like `tools.vault.open_vault`, and when no
    recipient is named yet.
    """
    recipients = _recipients_or_advice(place)
    identities = find_identities(place.identity)
    sealed = vault.read_vault(place.path) if place.path.exists() else None
    if sealed is None:
        plain = _HEADER.format(environment=place.path.stem).encode()
    else:
        plain = vault.decrypt(sealed, place.path, identities)
    try:
        present = vault.read_values(plain)
        missing = [name for name in place.keys if name not in present]
        added = "".join(f'{name} = "{_strong_value(name)}"\n' for name in missing).encode()
        if added and not plain.endswith(b"\n"):
            plain += b"\n"
        vault.read_secrets(plain + added)
    except VaultError as problems:
        raise vault.unusable(place.path, problems) from None
    if not missing:
        return f"{shown(place.path)} has every required key: nothing changed"
    _require_own_access(place.path.parent, recipients, identities)
    vault.replace(place.path, vault.seal(plain + added, recipients), sealed)
    return f"{shown(place.path)}: made {', '.join(missing)}"


def _strong_value(name: str) -> str:
    """A value with at least 240 random bits, in letters that need no quoting in TOML, Elixir, SQL or a shell."""
    if name in ("database_password", "basic_auth_password"):
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(43))
    if name == "cookie":
        # A cookie may not begin with a dash.
        return secrets.choice(string.ascii_letters) + secrets.token_urlsafe(32)[1:]
    return secrets.token_urlsafe(64)


def edit(place: Place) -> str:
    """Let the operator edit a vault's text, and store it for everyone in recipients.txt once it is valid.

    + place: the vault

    Returns what was done. Raises VaultError, and leaves the vault alone, when the text is not valid, the editor fails,
    or the vault was changed meanwhile.
    """
    sealed = vault.read_vault(place.path)
    identities = find_identities(place.identity)
    plain = vault.decrypt(sealed, place.path, identities)
    recipients = _recipients_or_advice(place)
    _require_own_access(place.path.parent, recipients, identities)
    edited = edit_in_memory(plain, f"{place.path.stem}.toml", vault.read_secrets)
    if edited == plain:
        return f"{shown(place.path)}: nothing changed"
    vault.replace(place.path, vault.seal(edited, recipients), sealed)
    return f"{shown(place.path)}: stored for {len(recipients)} recipients"


def encrypt_anew(all_places: dict[str, Place]) -> str:
    """Encrypt every vault anew for everyone in its folder's recipients.txt.

    Nothing is written unless every vault of every folder can be opened and will still open for the operator.

    + all_places: the vaults of the inventory; other vaults in the same folders are included

    Returns what was done. Raises VaultError with the vaults that cannot be opened.
    """
    by_path = {place.path: place for place in all_places.values()}
    folders = sorted({path.parent for path in by_path})
    todo: list[tuple[Path, bytes, bytes, list[Recipient]]] = []
    problems: list[str] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.age"))):
        place = by_path.get(path, Place(path, None))
        try:
            todo.append((path, *_open_for_all(place)))
        except VaultError as error:
            problems.append(str(error))
    if problems:
        raise VaultError("\n".join([*dict.fromkeys(problems), "No vault was changed."]))
    for path, sealed, plain, readers in todo:
        vault.replace(path, vault.seal(plain, readers), sealed)
    if not todo:
        return f"no vault yet in {', '.join(map(shown, folders))}: `make vault-init ENV=...` makes one"
    return "\n".join(
        [
            *(f"{shown(path)}: encrypted for {', '.join(r.name for r in readers)}" for path, _, _, readers in todo),
            "Someone who was taken out can still open older versions in git: change the secrets they knew.",
        ]
    )


def _open_for_all(place: Place) -> tuple[bytes, bytes, list[Recipient]]:
    sealed = vault.read_vault(place.path)
    identities = find_identities(place.identity)
    plain = vault.decrypt(sealed, place.path, identities)
    readers = read_recipients(place.path.parent)
    _require_own_access(place.path.parent, readers, identities)
    return sealed, plain, readers


def _require_own_access(directory: Path, readers: Sequence[Recipient], identities: Identities) -> None:
    if os.environ.get("YES") != "1" and not vault.can_open(readers, identities):
        raise VaultError(
            f"{shown(directory / RECIPIENTS_FILE)} names no key you can use, so you would shut yourself out: add "
            f"your public key, or say YES=1 if that is what you want. A key with a passphrase cannot be used; an age key "
            f"can: {MAKE_KEY}"
        )


def _recipients_or_advice(place: Place) -> list[Recipient]:
    try:
        return read_recipients(place.path.parent)
    except VaultError as error:
        if "names no recipient" not in str(error):
            raise
        message = str(error)
    folder, mine = place.path.parent, own_public_keys(place.identity)
    if not mine:
        raise VaultError(f"{message}\nMake one, {MAKE_KEY}, and add the public key it prints.")
    target = shlex.quote(shown(folder / RECIPIENTS_FILE))
    commands = [f"echo {shlex.quote(key)} >> {target}" for key in mine]
    if not folder.exists():
        commands.insert(0, f"mkdir -p {shlex.quote(shown(folder))}")
    raise VaultError("\n  ".join([message, *commands]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m tools.vault", description="Encrypted secrets of the environments.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("init", "make a vault or its missing keys"), ("edit", "edit a vault in your editor")):
        commands.add_parser(name, help=about).add_argument("environment", metavar="ENV")
    commands.add_parser("recipients", help="encrypt every vault anew for everyone in recipients.txt")
    options = parser.parse_args(arguments)
    try:
        print(_run(options.command, getattr(options, "environment", "")))
    except PyinfraError as error:
        print(f"vault: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(command: str, environment: str) -> str:
    known = places()
    if command == "recipients":
        return encrypt_anew(known)
    if environment not in known:
        raise VaultError(f"there is no environment {environment!r}: give ENV as one of {', '.join(sorted(known))}")
    return init(known[environment]) if command == "init" else edit(known[environment])
