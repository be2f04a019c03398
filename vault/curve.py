"""Every key that opens a vault as one of X25519: a key of age is one, and age turns an ssh-ed25519 key into one.

So two people who can open a vault share a secret that nobody else can compute, although keys of age cannot sign.
"""

from base64 import b64decode
from hashlib import sha512

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

_PRIME = 2**255 - 19
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def scalar_of_age_key(text: str) -> bytes:
    """The 32 bytes of an `AGE-SECRET-KEY-1…`, which pyrage has checked.

    + text: the key
    """
    return _bech32(text)


def scalars_of_ssh_key(data: bytes) -> tuple[bytes, ...]:
    """The X25519 private key of an ssh-ed25519 key as age derives it; none for an ssh key of another kind.

    + data: the key in OpenSSH's or PEM format, without a passphrase
    """
    try:
        key = load_ssh_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ()
    return (sha512(key.private_bytes_raw()).digest()[:32],) if isinstance(key, Ed25519PrivateKey) else ()


def point_of(public: str) -> bytes:
    """The X25519 public key of a line of recipients.txt, which pyrage has checked.

    + public: `age1…` or `ssh-ed25519 …`

    Raises ValueError for any other text.
    """
    kind, _, rest = public.partition(" ")
    if kind != "ssh-ed25519":
        return _bech32(public)
    # RFC 4253: the name of the kind and the key, each after its length. RFC 7748: u = (1 + y) / (1 - y).
    y = int.from_bytes(b64decode(rest)[-32:], "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, -1, _PRIME) % _PRIME).to_bytes(32, "little")


def own_point(scalar: bytes) -> bytes:
    """The public key of a private one.

    + scalar: the private key
    """
    return X25519PrivateKey.from_private_bytes(scalar).public_key().public_bytes_raw()


def shared_secret(scalar: bytes, point: bytes) -> bytes:
    """The secret that the owners of two keys share.

    + scalar: the private key of one
    + point: the public key of the other

    Raises ValueError for a public key that would make the secret known to everybody.
    """
    return X25519PrivateKey.from_private_bytes(scalar).exchange(X25519PublicKey.from_public_bytes(point))


def _bech32(text: str) -> bytes:
    # BIP 173: 52 letters of 5 bits hold 256 bits and 4 of padding; 6 letters of checksum follow.
    letters = text.lower().rpartition("1")[2][:-6]
    if len(letters) != 52:
        raise ValueError("no X25519 key")
    number = 0
    for letter in letters:
        number = number << 5 | _BECH32.index(letter)
    return (number >> 4).to_bytes(32, "big")
