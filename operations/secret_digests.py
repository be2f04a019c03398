"""Digests in a file of secrets, by which a plan names what differs and reads no value."""

import hmac
from collections.abc import Mapping

from pyinfra.api import FactBase, QuoteString, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets

# Stands among the keys for the rest of the file. No key of a vault has parentheses.
SETTINGS = "(settings)"

# Stands among the variables for the key of the digests: secret_key_base.
KEY = "(key)"

# Number of hex digits of an HMAC-SHA-256: 64 bits tell values apart, and reveal none.
DIGEST_DIGITS = 16


class SecretDigests(FactBase[Mapping[str, str]]):
    """The digests in a secret file, by key. They allow a comparison; only somebody with secret_key_base can compute them."""

    @staticmethod
    @override
    def default() -> Mapping[str, str]:
        return {}

    @override
    def command(self, path: str) -> StringCommand:
        # Up to the first line that is no comment: a value may have lines that look like a digest.
        return StringCommand("sed -n '/^#/!q; s/^# digest //p'", QuoteString(path), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> Mapping[str, str]:
        return dict(line.split(" ", 1) for line in output if " " in line)


def digests_of(environment: Environment, secrets: Secrets, values: Mapping[str, str]) -> dict[str, str]:
    """A digest of each value, keyed with secret_key_base.

    + environment: owner of the file
    + secrets: its vault
    + values: by name
    """
    key = secrets.secret_key_base.get_secret_value().encode()
    return {
        name: hmac.digest(key, f"{environment.full_name}\0{name}\0{value}".encode(), "sha256").hex()[:DIGEST_DIGITS]
        for name, value in values.items()
    }


def differing(on_host: Mapping[str, str], wanted: Mapping[str, str], noun: str) -> str:
    """The names that differ, as a phrase without values.

    + on_host: digests in the file on the host
    + wanted: digests in the new file
    + noun: what a name is, e.g. "key"
    """
    anchor = KEY if KEY in wanted else "secret_key_base"
    if on_host and on_host.get(anchor) != wanted[anchor]:
        return "key secret_key_base differs, and only by it could the others be compared"
    names = {name for name in on_host.keys() | wanted.keys() if on_host.get(name) != wanted.get(name)}
    said = [f"{noun} {name} differs" for name in sorted(names - {SETTINGS, KEY})]
    if SETTINGS in names:
        said.append("what group data says in it differs")
    return ", ".join(said) or "it was changed by hand"
