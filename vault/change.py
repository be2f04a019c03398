"""Changes single values in a vault, and leaves every other line and comment of its text as it is."""

from collections.abc import Mapping
from typing import NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError

from vault import store, upkeep
from vault.keys import Identities, VaultError, find_identities, shown
from vault.recipients import Recipient
from vault.trust import Consent, refuse_new_recipients


class OpenVault(NamedTuple):
    """A vault in memory, to be changed.

    + place: the vault
    + sealed: its encrypted content
    + plain: its text
    + recipients: everyone it is encrypted for from now on
    + identities: the operator's keys
    """

    place: upkeep.Place
    sealed: bytes
    plain: bytes
    recipients: list[Recipient]
    identities: Identities

    @property
    def values(self) -> Mapping[str, str]:
        """The values by key."""
        return store.read_values(self.plain)

    def change(self, values: Mapping[str, str]) -> None:
        """Store other values for some keys, or new keys.

        + values: the new values by key

        Raises VaultError and does not change the vault when a value or a key is not valid, or when somebody changed the
        vault meanwhile.
        """
        edited = with_values(self.plain, values)
        try:
            store.read_secrets(edited)
        except VaultError as problems:
            lines = [f"{shown(self.place.path)} is left as it was, because it could not be used then:"]
            raise VaultError("\n  ".join([*lines, *str(problems).splitlines()])) from None
        store.store_sealed(self.place.path, edited, self.recipients, self.identities, self.sealed)


def open_place(place: upkeep.Place, *, shut_out: bool = False, consent: Consent = refuse_new_recipients) -> OpenVault:
    """Opens a vault that the operator may also store.

    + place: the vault
    + shut_out: whether it may be stored for others alone, so that its author no longer opens it
    + consent: is asked about new recipients

    Raises VaultError when the vault cannot be opened or read, or may be forged.
    """
    sealed = store.read_vault(place.path)
    identities = find_identities(place.identity)
    found = store.open_authentic(sealed, place.path, identities)
    opened = OpenVault(place, sealed, found.plain, upkeep.recipients_or_advice(place), identities)
    upkeep.require_own_access(place.path.parent, opened.recipients, identities, shut_out=shut_out)
    try:
        store.read_values(opened.plain)
    except VaultError as problems:
        raise store.unusable(place.path, problems) from None
    upkeep.require_consent(place.path.parent, found, opened.recipients, identities, consent)
    return opened


def value_of(place: upkeep.Place, key: str) -> str:
    """One value of a vault.

    + place: the vault
    + key: its key

    Raises VaultError when the vault cannot be opened, and when it has no such key: the message names the keys it has.
    """
    plain = store.open_authentic(store.read_vault(place.path), place.path, find_identities(place.identity)).plain
    values = store.read_values(plain)
    if not isinstance(values.get(key), str):
        raise VaultError(f"{shown(place.path)} has no key {key!a}; it has: {', '.join(map(ascii, values))}")
    return str(values[key])


def with_values(plain: bytes, values: Mapping[str, str]) -> bytes:
    """The text of a vault with other values for some keys. New keys come last.

    + plain: the text
    + values: the new values by key

    Raises VaultError when the text would then say anything else than that.
    """
    wanted = {**store.read_values(plain), **values}
    try:
        document = tomlkit.parse(plain)
        for key, value in values.items():
            document[key] = tomlkit.string(value)
        edited = tomlkit.dumps(document).encode()
        if store.read_values(edited) == wanted:
            return edited
    except (TOMLKitError, ValueError, VaultError):
        pass
    raise VaultError("the text cannot be changed at this key: do it with `make vault-edit`")
