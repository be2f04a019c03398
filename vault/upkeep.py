"""Makes, edits and encrypts vaults."""

import secrets
import shlex
import string
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from group_data.schema.secrets import REQUIRED_KEYS
from vault import store
from vault.editor import edit_in_memory
from vault.keys import MAKE_KEY, Identities, VaultError, find_identities, own_public_keys, shown
from vault.recipients import RECIPIENTS_FILE, Recipient, read_recipients

_HEADER = """\
# Secrets of {environment}. To change them: make vault-edit ENV={environment}
#
# One key = "value" a line. A value with " or \\ in it goes in single quotes: 'say "this"'.
#   database_password        of the PostgreSQL role
#   secret_key_base          Phoenix signs sessions with it; at least 64 bytes
#   cookie                   of the Erlang node; letters, digits, _ and -
#   appsignal_push_api_key   only where the application reports to AppSignal
#   basic_auth_password      only where group data sets basic_auth_user; 8 to 72 ASCII characters
# Any other lower_snake_case key becomes a setting in the secret file. A key with capital letters, such as STRIPE_KEY, is an
# environment variable of the application; secret_variables in group data names it.

"""


class Place(NamedTuple):
    """The vault of an environment.

    + path: of the vault
    + identity: file with the operator's key, from group data; None without one
    + keys: the keys it must have
    """

    path: Path
    identity: str | None
    keys: tuple[str, ...] = REQUIRED_KEYS


def init(place: Place, *, shut_out: bool = False) -> str:
    """Makes a vault, or its missing required keys, with strong random values. A key that exists never changes.

    + place: the vault
    + shut_out: whether it may be stored for others alone, so that its author no longer opens it

    Returns a sentence with the names of the new keys. Raises VaultError like `vault.store.open_vault`, and when there is no
    recipient yet.
    """
    recipients = recipients_or_advice(place)
    identities = find_identities(place.identity)
    sealed = store.read_vault(place.path) if place.path.exists() else None
    if sealed is None:
        plain = _HEADER.format(environment=place.path.stem).encode()
    else:
        plain = store.decrypt(sealed, place.path, identities)
    try:
        present = store.read_values(plain)
        missing = [name for name in place.keys if name not in present]
        added = "".join(f'{name} = "{strong_value(name)}"\n' for name in missing).encode()
        if added and not plain.endswith(b"\n"):
            plain += b"\n"
        store.read_secrets(plain + added)
    except VaultError as problems:
        raise store.unusable(place.path, problems) from None
    if not missing:
        return f"{shown(place.path)} has every required key: nothing changed"
    require_own_access(place.path.parent, recipients, identities, shut_out=shut_out)
    store.replace(place.path, store.seal(plain + added, recipients), sealed)
    return f"{shown(place.path)}: made {', '.join(missing)}"


def strong_value(name: str) -> str:
    """A value with at least 240 random bits, in letters that need no quoting in TOML, Elixir, SQL or a shell.

    + name: key of the vault
    """
    if name in ("database_password", "basic_auth_password"):
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(43))
    if name == "cookie":
        # A cookie may not begin with a dash.
        return secrets.choice(string.ascii_letters) + secrets.token_urlsafe(32)[1:]
    return secrets.token_urlsafe(64)


def edit(place: Place, *, shut_out: bool = False) -> str:
    """Lets the operator edit the text of a vault, and encrypts a valid text for everyone in recipients.txt.

    + place: the vault
    + shut_out: whether it may be stored for others alone, so that its author no longer opens it

    Returns a sentence about the result. Raises VaultError and does not change the vault when the text is not valid, the
    editor fails, or somebody changed the vault meanwhile.
    """
    sealed = store.read_vault(place.path)
    identities = find_identities(place.identity)
    plain = store.decrypt(sealed, place.path, identities)
    recipients = recipients_or_advice(place)
    require_own_access(place.path.parent, recipients, identities, shut_out=shut_out)
    edited = edit_in_memory(plain, f"{place.path.stem}.toml", store.read_secrets)
    if edited == plain:
        return f"{shown(place.path)}: nothing changed"
    store.replace(place.path, store.seal(edited, recipients), sealed)
    return f"{shown(place.path)}: stored for {len(recipients)} recipients"


def encrypt_anew(all_places: dict[str, Place], *, shut_out: bool = False) -> str:
    """Encrypts every vault again, for everyone in the recipients.txt of its folder.

    All vaults change, or none: each one must open now, and the operator must be able to open it afterwards.

    + all_places: the vaults of the inventory; other vaults in the same folders are included
    + shut_out: whether they may be stored for others alone

    Returns one line for each vault. Raises VaultError with the vaults that cannot be opened.
    """
    by_path = {place.path: place for place in all_places.values()}
    folders = sorted({path.parent for path in by_path})
    todo: list[tuple[Path, bytes, bytes, list[Recipient], bool]] = []
    problems: list[str] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.age"))):
        place = by_path.get(path, Place(path, None))
        try:
            todo.append((path, *_open_for_all(place, shut_out=shut_out)))
        except VaultError as error:
            problems.append(str(error))
    if problems:
        raise VaultError("\n".join([*dict.fromkeys(problems), "No vault was changed."]))
    for path, sealed, plain, readers, known in todo:
        if not known:
            store.replace(path, store.seal(plain, readers), sealed)
    if todo and all(known for *_, known in todo):
        return f"every vault is encrypted for the keys in {RECIPIENTS_FILE} already: nothing changed"
    if not todo:
        return f"no vault yet in {', '.join(map(shown, folders))}: `make vault-init ENV=...` makes one"
    return "\n".join(
        [
            *(f"{shown(path)}: encrypted for {', '.join(r.name for r in readers)}" for path, _, _, readers, _ in todo),
            "Someone who was taken out can still open older versions in git: change the secrets they knew.",
        ]
    )


def _open_for_all(place: Place, *, shut_out: bool) -> tuple[bytes, bytes, list[Recipient], bool]:
    sealed = store.read_vault(place.path)
    identities = find_identities(place.identity)
    plain = store.decrypt(sealed, place.path, identities)
    readers = read_recipients(place.path.parent)
    require_own_access(place.path.parent, readers, identities, shut_out=shut_out)
    return sealed, plain, readers, store.is_sealed_for(sealed, readers, identities)


def require_own_access(
    directory: Path, readers: Sequence[Recipient], identities: Identities, *, shut_out: bool
) -> None:
    """Refuse to store a vault that its author could not open.

    + directory: of the vault and recipients.txt
    + readers: everyone in recipients.txt
    + identities: the author's keys
    + shut_out: whether to store it all the same
    """
    if not shut_out and not store.can_open(readers, identities):
        raise VaultError(
            f"{shown(directory / RECIPIENTS_FILE)} names no key you can use, so you would shut yourself out: add "
            f"your public key, or say YES=1 if that is what you want. A key with a passphrase cannot be used; an age key "
            f"can: {MAKE_KEY}"
        )


def recipients_or_advice(place: Place) -> list[Recipient]:
    """Everyone in recipients.txt. Raises VaultError, which names the commands for a first line if there is none.

    + place: the vault
    """
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
