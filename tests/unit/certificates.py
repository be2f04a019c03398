"""Certificates for tests, made in memory."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from operations.certificate import Pair

NOW = datetime.now(UTC)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Authority:
    """One that issues certificates; without a parent it has issued its own.

    + name: common name
    + parent: the one that vouches for it
    """

    def __init__(self, name: str, parent: "Authority | None" = None) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(self.name, self.key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
        signer = parent or self
        self.pem = _signed(builder, signer.name, signer.key)

    def issue(
        self, *names: str, begins: datetime | None = None, ends: datetime | None = None, key: Key | None = None
    ) -> tuple[str, str]:
        """A certificate in PEM, and the public half of its key as a host prints it.

        + names: in it
        + begins: default: yesterday
        + ends: default: in 89 days
        + key: default: a new one on an elliptic curve
        """
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site")])
        builder = _builder(subject, key.public_key(), begins, ends)
        if names:
            alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(alternatives, False)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _signed(builder, self.name, self.key), b64encode(public).decode()


def pair(*names: str, begins: datetime | None = None, ends: datetime | None = None, key: Key | None = None) -> Pair:
    """A certificate by an authority that the host knows, with its key.

    + names: in it
    + begins: default: yesterday
    + ends: default: in 89 days
    + key: default: a new one on an elliptic curve
    """
    chain, public = Authority("known").issue(*names, begins=begins, ends=ends, key=key)
    return Pair(chain, public, trusted=True, compared=True)


def _builder(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or NOW - timedelta(days=1))
        .not_valid_after(ends or NOW + timedelta(days=89))
    )


def _signed(builder: x509.CertificateBuilder, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> str:
    return builder.issuer_name(issuer).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
