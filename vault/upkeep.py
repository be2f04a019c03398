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
from vault.memory import Memory
from vault.recipients import RECIPIENTS_FILE, Recipient, read_recipients
from vault.trust import Consent, new_recipients, refuse_new_recipients

_HEADER = """\
# Secrets of {environment}. To change them: make vault-edit ENV={environment}
#
# One key = "value" a line. A value with " or \\ in it goes in single quotes: 'say "this"'.
#   database_password        of the PostgreSQL role
#   secret_key_base          Phoenix signs sessions with it; at least 64 bytes
#   cookie                   of the Erlang node; letters, digits, _ and -
#   appsignal_push_api_key   only where the application reports to AppSignal
#   acme_dns_secret          only where group data sets acme_dns; of the TSIG key, in base64
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


def init(place: Place, *, shut_out: bool = False, consent: Consent = refuse_new_recipients) -> str:
    """Makes a vault, or its missing required keys, with strong random values. A key that exists never changes.

    + place: the vault
    + shut_out: whether it may be stored for others alone, so that its author no longer opens it
    + consent: is asked about new recipients

    Returns a sentence with the names of the new keys. Raises VaultError like `vault.store.open_vault`, and when there is no
    recipient yet.
    """
    recipients = recipients_or_advice(place)
    identities = find_identities(place.identity)
    sealed = store.read_vault(place.path) if place.path.exists() else None
    if sealed is None:
        plain, opened = _HEADER.format(environment=place.path.stem).encode(), _beside(place.path, identities)
    else:
        opened = store.open_authentic(sealed, place.path, identities)
        plain = opened.plain
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
    require_consent(place.path.parent, opened, recipients, identities, consent)
    store.store_sealed(place.path, plain + added, recipients, identities, sealed)
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


def edit(place: Place, *, shut_out: bool = False, consent: Consent = refuse_new_recipients) -> str:
    """Lets the operator edit the text of a vault, and encrypts a valid text for everyone in recipients.txt.

    + place: the vault
    + shut_out: whether it may be stored for others alone, so that its author no longer opens it
    + consent: is asked about new recipients

    Returns a sentence about the result. Raises VaultError and does not change the vault when the text is not valid, the
    editor fails, or somebody changed the vault meanwhile.
    """
    sealed = store.read_vault(place.path)
    identities = find_identities(place.identity)
    opened = store.open_authentic(sealed, place.path, identities)
    plain = opened.plain
    recipients = recipients_or_advice(place)
    require_own_access(place.path.parent, recipients, identities, shut_out=shut_out)
    require_consent(place.path.parent, opened, recipients, identities, consent)
    edited = edit_in_memory(plain, f"{place.path.stem}.toml", store.read_secrets)
    if edited == plain:
        return f"{shown(place.path)}: nothing changed"
    store.store_sealed(place.path, edited, recipients, identities, sealed)
    return f"{shown(place.path)}: stored for {', '.join(recipient.name for recipient in recipients)}"


def _beside(path: Path, identities: Identities) -> store.Opened | None:
    """A sealed vault in the folder of a new one, which tells whom the operators have accepted; None if there is none."""
    for other in sorted(path.parent.glob("*.age")):
        try:
            opened = store.open_authentic(store.read_vault(other), other, identities)
        except VaultError:
            continue
        if opened.seal:
            return opened
    return None


def require_consent(
    directory: Path,
    opened: store.Opened | None,
    recipients: Sequence[Recipient],
    identities: Identities,
    consent: Consent,
) -> None:
    """Ask about recipients who are new since a vault was sealed, before it is stored for them.

    + directory: of the vault
    + opened: the vault; None for the first one of a folder
    + recipients: everyone in recipients.txt
    + identities: the operator's keys
    + consent: is asked
    """
    accepted = opened.accepted(recipients) if opened else (Memory.of(directory).recipients or None)
    if names := new_recipients(recipients, accepted, identities):
        consent(names)


class _Renewal(NamedTuple):
    """A vault that is encrypted anew."""

    path: Path
    sealed: bytes
    opened: store.Opened
    recipients: list[Recipient]
    identities: Identities

    @property
    def is_right(self) -> bool:
        """Whether it is sealed, and for everyone in recipients.txt, already."""
        return self.opened.seal is not None and store.is_sealed_for(self.sealed, self.recipients, self.identities)


def encrypt_anew(
    all_places: dict[str, Place],
    *,
    shut_out: bool = False,
    trust: bool = False,
    consent: Consent = refuse_new_recipients,
) -> str:
    """Seals and encrypts every vault again, for everyone in the recipients.txt of its folder.

    All vaults change, or none: each one must open now, and the operator must be able to open it afterwards.

    + all_places: the vaults of the inventory; other vaults in the same folders are included
    + shut_out: whether they may be stored for others alone
    + trust: whether the operator vouches for vaults that may be forged
    + consent: is asked about new recipients

    Returns one line for each vault. Raises VaultError with the vaults that cannot be opened.
    """
    by_path = {place.path: place for place in all_places.values()}
    folders = sorted({path.parent for path in by_path})
    todo: list[_Renewal] = []
    problems: list[str] = []
    for path in (path for folder in folders for path in sorted(folder.glob("*.age"))):
        place = by_path.get(path, Place(path, None))
        try:
            todo.append(_open_for_all(place, shut_out=shut_out, trust=trust))
        except VaultError as error:
            problems.append(str(error))
    if problems:
        raise VaultError("\n".join([*dict.fromkeys(problems), "No vault was changed."]))
    new = [name for item in todo for name in _new_recipients_of(item)]
    if new:
        consent(list(dict.fromkeys(new)))
    wrong = [item for item in todo if not item.is_right]
    for item in wrong:
        store.store_sealed(item.path, item.opened.plain, item.recipients, item.identities, item.sealed)
    if todo and not wrong:
        return f"every vault is encrypted for the keys in {RECIPIENTS_FILE} already: nothing changed"
    if not todo:
        return f"no vault yet in {', '.join(map(shown, folders))}: `make vault-init ENV=...` makes one"
    return "\n".join(
        [
            *(f"{shown(item.path)}: encrypted for {', '.join(r.name for r in item.recipients)}" for item in todo),
            "Someone who was taken out can still open older versions in git: change the secrets they knew.",
        ]
    )


def _new_recipients_of(item: _Renewal) -> list[str]:
    return new_recipients(item.recipients, item.opened.accepted(item.recipients), item.identities)


def _open_for_all(place: Place, *, shut_out: bool, trust: bool) -> _Renewal:
    sealed = store.read_vault(place.path)
    identities = find_identities(place.identity)
    opened = store.open_authentic(sealed, place.path, identities, leavers=True, trust=trust)
    readers = read_recipients(place.path.parent)
    require_own_access(place.path.parent, readers, identities, shut_out=shut_out)
    return _Renewal(place.path, sealed, opened, readers, identities)


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
