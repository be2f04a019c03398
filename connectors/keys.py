"""The login keys to try, in OpenSSH's order: keys of the configuration first, so that sshd's six attempts suffice."""

import base64
import socket
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey, SSHException
from paramiko.agent import AgentSSH
from paramiko.auth_strategy import AuthSource, AuthStrategy, InMemoryPrivateKey, Password
from paramiko.config import SSHConfig
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate
from typing_extensions import override

from connectors.openssh import Way

# A file of a key that nobody could use here: no such file, a passphrase, or a kind that paramiko does not know.
_UNUSABLE = (PyinfraError, SSHException, OSError, ValueError, UnsupportedAlgorithm)

# The first line of a key that OpenSSL or a cloud's console wrote. ssh(1) reads it; paramiko 4 does not.
_PKCS8 = "-----BEGIN PRIVATE KEY-----"
_PKCS8_LOCKED = "-----BEGIN ENCRYPTED PRIVATE KEY-----"


class _Agent(AgentSSH):
    """The agent at a socket. paramiko's own class knows that of one variable alone."""

    def __init__(self, path: str) -> None:
        super().__init__()
        with suppress(OSError, SSHException):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(Path(path).expanduser()))
            self._connect(connection)  # type: ignore[attr-defined]


class Login(AuthStrategy):
    """Tries the keys of a way, and a password if the inventory has one.

    + way: to the machine
    + password: of the inventory; nobody is asked for one
    """

    def __init__(self, way: Way, password: str | None = None) -> None:
        super().__init__(ssh_config=SSHConfig())
        self.way = way
        self.password = password
        # Names of the keys that were tried, for a message.
        self.tried: list[str] = []

    @override
    def get_sources(self) -> Iterator[AuthSource]:
        """The keys, one by one: a file is read when its turn comes."""
        for name, key in keys(self.way):
            self.tried.append(name)
            yield InMemoryPrivateKey(self.way.user, key)
        if password := self.password:
            self.tried.append("the password")
            yield Password(self.way.user, lambda: password)


def keys(way: Way) -> Iterator[tuple[str, PKey]]:
    """Names and keys: those of the configuration that an agent holds, the agent's others, then files.

    + way: to the machine
    """
    held = list(_Agent(way.agent).get_keys()) if way.agent else []
    blobs = {blob: path for path in [*way.identities, *way.certificates] for blob in _blobs(path)}
    chosen = sorted((key for key in held if key.asbytes() in blobs), key=lambda key: list(blobs).index(key.asbytes()))
    for key in chosen:
        yield f"{blobs[key.asbytes()]} of the agent", key
    for key in held if not way.only_identities else []:
        if key not in chosen:
            yield f"{getattr(key, 'comment', '') or key.get_name()} of the agent", key
    known = {key.asbytes() for key in chosen}
    for path in way.identities:
        if not known.intersection(_blobs(path)) and (key := _read(path, way.certificates)):
            yield path, key


def _blobs(path: str) -> list[bytes]:
    """The public keys of a file and beside it; none if there is no file."""
    found = []
    for file in (path, f"{path}.pub", f"{path}-cert.pub"):
        with suppress(OSError, ValueError, IndexError):
            # A private key is no line of three words that begins with a kind of key.
            kind, blob = Path(file).read_text().split()[:2]
            if kind.startswith(("ssh-", "ecdsa-", "sk-")):
                found.append(base64.b64decode(blob))
    return found


def load(path: str, certificate: str | None = None) -> PKey:
    """The private key in a file, and a certificate beside it. Raises PyinfraError, SSHException, OSError and ValueError.

    + path: of the file
    + certificate: path of another certificate
    """
    text = Path(path).expanduser().read_text(errors="replace") if Path(path).expanduser().is_file() else ""
    if text.startswith(_PKCS8_LOCKED):
        raise PyinfraError(f"Private key file ({path}) is encrypted")
    if not text.startswith(_PKCS8):
        return load_key_with_certificate(path, certificate_filename=certificate, allow_prompt=False)
    own = serialization.load_pem_private_key(text.encode(), None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    for kind in (RSAKey, ECDSAKey, Ed25519Key):
        with suppress(SSHException):
            key = kind.from_private_key(StringIO(own.decode()))
            for file in (certificate or f"{path}-cert.pub",):
                if Path(file).expanduser().is_file():
                    key.load_certificate(str(Path(file).expanduser()))
            return key
    raise PyinfraError(f"Invalid private key file: {path}")


def unusable(path: str) -> str:
    """Why a file of a private key cannot be used here; empty if it can, or if there is none.

    + path: of the file
    """
    text = Path(path).read_text(errors="replace") if Path(path).is_file() else ""
    if "PRIVATE KEY" not in text:
        return ""
    try:
        load(path)
    except _UNUSABLE as error:
        locked = "encrypted" in str(error) or "passphrase" in str(error)
        return "has a passphrase" if locked else "is of a kind that ssh and an agent alone can use"
    return ""


def _read(path: str, certificates: tuple[str, ...]) -> Any:
    with suppress(*_UNUSABLE):
        return load(path, next(iter(certificates), None))
    return None
