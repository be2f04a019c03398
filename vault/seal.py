"""The seal of a vault: it shows that somebody who can open the vault has written its text.

age hides a text and does not tell who wrote it: everybody who has recipients.txt can make a vault. So the second line of
the text, which an editor does not show, holds the vault's name, its author, its recipients, and for each recipient a digest
of all that and the text. The digest's key is the secret that author and recipient share (X25519 between their own keys):
to make it, one needs the private key of either. `docs/secrets.md` says what this protects.
"""

import hmac
import json
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from vault.curve import own_point, point_of, shared_secret
from vault.keys import Identities
from vault.recipients import Recipient

# Begins the second line of a sealed vault's text.
MARK = b"# seal: "

_PURPOSE = b"vault seal 1"


class Seal(NamedTuple):
    """What a seal says; nothing of it is true until `holds` says so.

    + name: of the vault's environment
    + author: public key of the writer
    + recipients: public keys of everyone the vault was encrypted for
    + digests: hexadecimal, one for each recipient
    """

    name: str
    author: str
    recipients: tuple[str, ...]
    digests: tuple[str, ...]


def sealed_text(plain: bytes, name: str, recipients: Sequence[Recipient], identities: Identities) -> bytes:
    """A vault's text with a seal before it; the text alone if its author is none of the recipients.

    + plain: the text
    + name: of the vault's environment
    + recipients: everyone who may open it
    + identities: the author's keys
    """
    owners = {own_point(scalar): scalar for scalar in identities.scalars}
    publics = tuple(dict.fromkeys(recipient.public for recipient in recipients))
    author = next((public for public in publics if point_of(public) in owners), None)
    if author is None:
        return plain
    blank = Seal(name, author, publics, ())
    scalar, body = owners[point_of(author)], _body(blank, plain)
    digests = tuple(_digest(scalar, author, public, public, body) for public in publics)
    return MARK + json.dumps(blank._replace(digests=digests)).encode() + b"\n" + plain


def split(text: bytes) -> tuple[Seal | None, bytes]:
    """The seal before a vault's text, and the text.

    + text: as `sealed_text` returns it

    Raises ValueError for a line that begins like a seal and is none.
    """
    if not text.startswith(MARK):
        return None, text
    line, _, plain = text.partition(b"\n")
    try:
        name, author, recipients, digests = json.loads(line.removeprefix(MARK))
        seal = Seal(name, author, tuple(recipients), tuple(digests))
    except (TypeError, RecursionError) as error:
        raise ValueError("no seal") from error
    if not all(isinstance(item, str) for item in (name, author, *seal.recipients, *seal.digests)):
        raise ValueError("no seal")
    return seal, plain


def holds(seal: Seal, plain: bytes, identities: Identities) -> bool:
    """Whether the author that a seal names, or one of these keys' owners, has made it for this text.

    + seal: before the text
    + plain: the text
    + identities: the reader's keys
    """
    body = _body(seal, plain)
    owners = {own_point(scalar): scalar for scalar in identities.scalars}
    try:
        for public, digest in zip(seal.recipients, seal.digests, strict=True):
            scalar = owners.get(point_of(public))
            if scalar and hmac.compare_digest(_digest(scalar, seal.author, public, seal.author, body), digest):
                return True
    except (ValueError, TypeError):
        # The lists differ in length, or a key or a digest is none.
        return False
    return False


def is_own(seal: Seal, identities: Identities) -> bool:
    """Whether a seal names one of these keys as its author.

    + seal: to judge
    + identities: the reader's keys
    """
    try:
        return point_of(seal.author) in {own_point(scalar) for scalar in identities.scalars}
    except ValueError:
        return False


def _body(seal: Seal, plain: bytes) -> bytes:
    return json.dumps([seal.name, seal.author, seal.recipients]).encode() + b"\n" + plain


def _digest(scalar: bytes, author: str, reader: str, other: str, body: bytes) -> str:
    """The digest for a reader, made with one private key and the other one's public key."""
    context = b"\0".join([_PURPOSE, author.encode(), reader.encode()])
    key = hmac.digest(shared_secret(scalar, point_of(other)), context, sha256)
    return hmac.digest(key, body, sha256).hex()
