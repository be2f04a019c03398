"""The certificate of a site: compared with its names, its key and its chain, and judged by the share of its lifetime."""

from base64 import b64decode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from connectors.terminal import shown
from group_data.schema.addresses import covers
from operations.host import program

# Shares of a lifetime: authorities shorten lifetimes, so a number of days fits only some. Clients renew at a third.
RENEWED_AT = 1 / 3

# Less than this is left of a certificate only if its renewal failed or was forgotten.
LATE_AT = 0.3

# A certificate that was just made may begin in the future of another clock. The doctor names clocks that differ.
CLOCKS = timedelta(minutes=5)

# What cryptography raises for a certificate that it cannot read or check.
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension)


class Pair(NamedTuple):
    """A certificate with its key, as they are on a host.

    + chain: in PEM, the site's own certificate first
    + key: the public half of the private key, DER in base64; empty if the key could not be read
    + trusted: whether an authority that the host knows vouches for it
    + compared: whether the host has openssl, without which it reads no key and asks no authority
    """

    chain: str
    key: str = ""
    trusted: bool = False
    compared: bool = False


class CertificateOnHost(FactBase[Pair]):
    """The certificate and key of a site."""

    @staticmethod
    @override
    def default() -> Pair:
        return Pair("")

    @override
    def command(self, path: str, key: str) -> StringCommand:
        return program.command("certificate.sh", path, key)

    @override
    def process(self, output: list[str]) -> Pair:
        start = next((place for place, line in enumerate(output) if line.startswith("-----")), len(output))
        said = dict(line.partition(" ")[::2] for line in output[:start])
        chain = "\n".join([*output[start:], ""]) if output[start:] else ""
        return Pair(chain, said.get("key", ""), "trusted" in said, "openssl" in said)


class Fault(NamedTuple):
    """Something wrong with a certificate.

    + word: for a table
    + what: for a sentence after "the certificate PATH"
    + late: whether only its end is the matter
    """

    word: str
    what: str
    late: bool = False


def faults(pair: Pair, names: Sequence[str], now: datetime) -> list[Fault]:
    """Everything for which a browser refuses a site with this certificate, now or soon, or nginx does.

    + pair: certificate and key
    + names: of the site
    + now: the time
    """
    try:
        chain = x509.load_pem_x509_certificates(pair.chain.encode())
        found = [*_names(chain[0], names), *_key(chain[0], pair), *_chain(chain, pair), *_end(chain[0], now)]
    except _UNREADABLE:
        return [Fault("unreadable", "cannot be read")]
    return found


def names_in(pair: Pair) -> list[str]:
    """The names that a certificate is for; none if it cannot be read.

    + pair: certificate and key
    """
    try:
        return _names_in(x509.load_pem_x509_certificates(pair.chain.encode())[0])
    except _UNREADABLE:
        return []


def _names_in(leaf: x509.Certificate) -> list[str]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _names(leaf: x509.Certificate, names: Sequence[str]) -> Iterator[Fault]:
    covered = _names_in(leaf)
    if missing := [name for name in names if not any(covers(pattern, name) for pattern in covered)]:
        others = ", ".join(map(printable, covered[:5])) or "no name at all"
        yield Fault("of other names", f"is not for {', '.join(missing)}: it is for {others}")


def _key(leaf: x509.Certificate, pair: Pair) -> Iterator[Fault]:
    if not pair.compared:
        return
    if not pair.key:
        yield Fault("with an unreadable key", "has a private key that cannot be read, or that wants a passphrase")
    elif b64decode(pair.key) != leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        yield Fault("of another key", "belongs to another private key")


def _chain(chain: Sequence[x509.Certificate], pair: Pair) -> Iterator[Fault]:
    leaf, *rest = chain
    if pair.trusted or leaf.issuer == leaf.subject or any(_issued(leaf, other) for other in rest):
        return
    issuer = printable(leaf.issuer.rfc4514_string())
    yield Fault("without its chain", f"comes without that of its issuer, {issuer}, which this host does not know")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*_UNREADABLE, InvalidSignature):
        return False
    return True


def _end(leaf: x509.Certificate, now: datetime) -> Iterator[Fault]:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now + CLOCKS < begin:
        yield Fault(f"from {begin:%Y-%m-%d %H:%M} on", f"is valid from {begin:%Y-%m-%d %H:%M} UTC on only", late=True)
    elif now >= end:
        yield Fault("expired", f"has expired, on {end:%Y-%m-%d %H:%M} UTC", late=True)
    elif (end - now) < LATE_AT * (end - begin):
        share = int(100 * (end - now) / (end - begin))
        yield Fault(
            f"until {end:%Y-%m-%d %H:%M}",
            f"expires on {end:%Y-%m-%d %H:%M} UTC, with {share} % of its lifetime left: it was not renewed in time",
            late=True,
        )


def is_loadable(pair: Pair) -> bool:
    """Whether nginx starts with a certificate and its key.

    + pair: certificate and key
    """
    if not pair.chain:
        return False
    try:
        return not [*_key(x509.load_pem_x509_certificates(pair.chain.encode())[0], pair)]
    except _UNREADABLE:
        return False


def has_ec_key(pair: Pair) -> bool:
    """Whether a certificate has a key on an elliptic curve; also if it cannot be read.

    + pair: certificate and key
    """
    try:
        key = x509.load_pem_x509_certificates(pair.chain.encode())[0].public_key()
    except _UNREADABLE:
        return True
    return isinstance(key, ec.EllipticCurvePublicKey)


def is_ending(pair: Pair, now: datetime) -> bool:
    """Whether a certificate has ended, or ends soon for one that something renews.

    + pair: certificate and key; a readable one
    + now: the time
    """
    leaf = x509.load_pem_x509_certificates(pair.chain.encode())[0]
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    return end - now < LATE_AT * (end - begin)


def now() -> datetime:
    """The time here."""
    return datetime.now(UTC)


def printable(text: str) -> str:
    """A text from a certificate as one short line that steers no terminal.

    + text: that anybody may have written
    """
    return shown(text, 200)
