"""Reads and writes vaults: `vault/<environment>.age`, TOML encrypted with age for everyone in `vault/recipients.txt`.

Every failure is a VaultError whose message names the way out. No message holds a value. No VaultError is raised while an
exception with a value is handled, because a traceback would print both.
"""

import fcntl
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyrage  # type: ignore[import-untyped]
from pydantic import ValidationError

from group_data.schema.paths import CHECKOUT
from group_data.schema.secrets import Secrets, describe_problems
from vault import seal as seals
from vault.keys import MAKE_KEY, Identities, VaultError, find_identities, shown
from vault.recipients import Recipient, note_sealed, read_recipients
from vault.trust import require_authentic

__all__ = ["VaultError", "open_vault", "vault_path"]

# Begins the first line of a vault's text, which an editor does not show. A digest of the recipients' keys follows.
_READERS = b"# recipients: "

# Begin the line of a recipient in the header of an age file (age-encryption.org/v1).
_STANZAS = (b"-> X25519 ", b"-> ssh-ed25519 ")


def vault_path(directory: str, environment: str) -> Path:
    """The path of an environment's vault.

    + directory: the data key `vault_directory`, relative to the checkout
    + environment: the environment's short name
    """
    return CHECKOUT / directory / f"{environment}.age"


def open_vault(path: Path, identity: str | None = None) -> Secrets:
    """Decrypts a vault in memory and checks it.

    + path: the vault, see `vault_path`; its name without `.age` is the environment's
    + identity: file with the operator's key (the data key `vault_identity`); `vault.keys.find_identities` lists the
      other places for keys

    Raises VaultError when the vault is missing, damaged, maybe forged, encrypted for others or no TOML, when a key in it is
    missing or wrong, and when the operator has no usable private key.
    """
    plain = open_authentic(read_vault(path), path, find_identities(identity)).plain
    try:
        return read_secrets(plain)
    except VaultError as problems:
        raise unusable(path, problems) from None


def read_vault(path: Path) -> bytes:
    """The encrypted content of a vault.

    + path: the vault

    Raises VaultError when there is none or it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # make sandbox-up makes the vaults of the throwaway machine.
        machine = ".sandbox" in path.parts and not path.parent.exists()
        maker = "make sandbox-up" if machine else f"make vault-init ENV={path.stem}"
        message = f"there is no {shown(path)}: `{maker}` makes it"
    except OSError as error:
        message = f"{shown(path)} cannot be read: {error.strerror}"
    raise VaultError(message)


class Opened(NamedTuple):
    """A vault in memory.

    + plain: its text
    + seal: what its seal says; None without a seal
    + marked: the line with a digest of the recipients; empty without one
    """

    plain: bytes
    seal: seals.Seal | None
    marked: bytes

    def accepted(self, recipients: Sequence[Recipient]) -> Sequence[str]:
        """The public keys of those for whom somebody has sealed it, as far as it can be told.

        + recipients: everyone in recipients.txt
        """
        if self.seal:
            return self.seal.recipients
        # A vault from before there were seals has a digest of all of them together.
        return [recipient.public for recipient in recipients] if self.marked == _mark(recipients) else []


def open_authentic(
    sealed: bytes, path: Path, identities: Identities, *, leavers: bool = False, trust: bool = False
) -> Opened:
    """Decrypts a vault, and refuses one that somebody may have made who cannot open the real one.

    + sealed: the encrypted content
    + path: the vault
    + identities: the keys to try
    + leavers: whether its author may have been taken out of recipients.txt since
    + trust: whether the operator vouches for it, whatever its seal says

    Raises VaultError like `decrypt`, and when the vault may be forged.
    """
    opened = _open(sealed, path, identities)

    def beside(other: Path) -> tuple[seals.Seal, bytes] | None:
        try:
            found = _open(read_vault(other), other, identities)
        except VaultError:
            return None
        return (found.seal, found.plain) if found.seal else None

    try:
        require_authentic(path, opened.seal, opened.plain, identities, beside, leavers=leavers)
    except VaultError:
        if not trust:
            raise
        # The text alone is vouched for. Whom it names as recipients is not.
        return Opened(opened.plain, None, b"")
    return opened


def lacks_seal(path: Path, identity: str | None = None) -> bool:
    """Whether a vault is from before there were seals, so that nobody can tell who wrote it.

    + path: the vault
    + identity: as for `open_vault`

    Raises VaultError when the vault cannot be opened.
    """
    return _open(read_vault(path), path, find_identities(identity)).seal is None


def _open(sealed: bytes, path: Path, identities: Identities) -> Opened:
    text = _decrypt(sealed, path, identities)
    marked, rest = b"", text
    if text.startswith(_READERS):
        line, _, rest = text.partition(b"\n")
        marked = line + b"\n"
    try:
        seal, plain = seals.split(rest)
    except ValueError:
        seal, plain = seals.Seal("", "", (), ()), rest.partition(b"\n")[2]
    return Opened(plain, seal, marked)


def decrypt(sealed: bytes, path: Path, identities: Identities) -> bytes:
    """The text of a vault, whoever wrote it: `open_authentic` is for everything but looking at it.

    + sealed: the encrypted content
    + path: the vault, for messages
    + identities: the keys to try

    Raises VaultError when there are no keys, when none of them opens the vault, or when it is damaged.
    """
    return _open(sealed, path, identities).plain


def _decrypt(sealed: bytes, path: Path, identities: Identities) -> bytes:
    """The text with the lines before it.

    + sealed: the encrypted content
    + path: the vault, for messages
    + identities: the keys to try

    Raises VaultError when there are no keys, when none of them opens the vault, or when it is damaged.
    """
    if not identities.keys:
        raise VaultError(_no_key(path, identities))
    try:
        return bytes(pyrage.decrypt(sealed, identities.keys))
    except pyrage.DecryptError as error:
        wrong_key = "No matching keys" in str(error)
    if wrong_key:
        raise VaultError(_wrong_key(path, identities))
    raise VaultError(f"{shown(path)} is damaged or no age file: restore it, `git checkout -- {shown(path)}`")


def _no_key(path: Path, identities: Identities) -> str:
    what = "no usable key" if identities.locked else "no key"
    return (
        "\n  ".join([f"{what} to open {shown(path)} with; looked at", *identities.looked])
        + "\n"
        + _key_advice(identities)
    )


def _key_advice(identities: Identities) -> str:
    if identities.locked:
        return (
            f"A key with a passphrase cannot be used. Make an age key, {MAKE_KEY}, and have "
            "a teammate add its public key, or give a key without a passphrase in VAULT_IDENTITY, as in CI."
        )
    return (
        f"Make one, {MAKE_KEY}, and have a teammate add its public key; or say where yours "
        "is in VAULT_IDENTITY_FILE, or give the key itself in VAULT_IDENTITY."
    )


def _wrong_key(path: Path, identities: Identities) -> str:
    try:
        names = [recipient.name for recipient in read_recipients(path.parent)]
    except VaultError as error:
        names = [str(error)]
    lines = [
        "\n  ".join(
            [f"{shown(path)} is encrypted for others: none of your keys opens it; looked at", *identities.looked]
        ),
        "\n  ".join([f"{shown(path.parent)}/recipients.txt names", *names]),
        "Ask one of them to see that your public key is in there and to run `make vault-recipients`.",
    ]
    return "\n".join([*lines, _key_advice(identities)] if identities.locked else lines)


def unusable(path: Path, problems: VaultError) -> VaultError:
    """The error for a vault with problems in its text, with the command that repairs it.

    + path: the vault
    + problems: raised by `read_secrets` or `read_values`
    """
    lines = [f"{shown(path)} cannot be used:", *str(problems).splitlines()]
    advice = f"Mend it with `make vault-edit ENV={path.stem}`."
    if any(line.endswith(": is missing") for line in lines):
        advice = f"`make vault-init ENV={path.stem}` makes missing keys and changes nothing else. {advice}"
    return VaultError("\n  ".join(lines) + "\n" + advice)


def read_values(plain: bytes) -> dict[str, Any]:
    """The keys and values in a vault's text, unchecked.

    + plain: the text

    Raises VaultError with the number of the line that is not TOML, and nothing of its text.
    """
    try:
        return tomllib.loads(plain.decode())
    except UnicodeDecodeError as error:
        number = plain[: error.start].count(b"\n") + 1
        where = f"line {number} is not UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # tomllib quotes the text, so only the position is taken from its message.
        line = re.search(r"\(at line (\d+), column \d+\)$", str(error))
        where = f"{f'line {line[1]}' if line else 'the end of the text'} is not TOML"
    raise VaultError(
        f"""{where}: a line reads key = "value", or key = 'value' where the value has " or \\, each key once"""
    )


def read_secrets(plain: bytes) -> Secrets:
    """The checked secrets in a vault's text.

    + plain: the text

    Raises VaultError with one line for each problem.
    """
    values = read_values(plain)
    try:
        return Secrets.model_validate(values)
    except ValidationError as error:
        problems = describe_problems(error)
    raise VaultError("\n".join(problems))


def store_sealed(
    path: Path, plain: bytes, recipients: Sequence[Recipient], identities: Identities, expected: bytes | None
) -> None:
    """Seals the text of a vault, encrypts it, and replaces the vault with it.

    + path: the vault
    + plain: the text
    + recipients: everyone who may open it
    + identities: the author's keys; without one of the recipients' the vault gets no seal
    + expected: the encrypted content when the change began; None for a new vault

    Raises VaultError like `replace`.
    """
    text = seals.sealed_text(plain, path.stem, recipients, identities)
    replace(path, seal(text, recipients), expected)
    if text.startswith(seals.MARK):
        note_sealed(path)


def seal(plain: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Encrypts a text, without a seal that shows who wrote it.

    + plain: the text
    + recipients: everyone who may open it
    """
    return bytes(pyrage.encrypt(_mark(recipients) + plain, [recipient.key for recipient in recipients]))


def is_sealed_for(sealed: bytes, recipients: Sequence[Recipient], identities: Identities) -> bool:
    """Whether a vault is encrypted for exactly these recipients. False for one without the line that tells it.

    + sealed: the encrypted content; one of the keys opens it
    + recipients: everyone who may open it
    + identities: the keys to try
    """
    # Somebody may have encrypted the text, with its first line, for others by hand.
    readers = sum(line.startswith(_STANZAS) for line in sealed.partition(b"\n---")[0].splitlines())
    marked = bytes(pyrage.decrypt(sealed, identities.keys)).startswith(_mark(recipients))
    return marked and readers == len(recipients)


def _mark(recipients: Sequence[Recipient]) -> bytes:
    """The first line of a vault's text: age itself does not tell whom a file is encrypted for."""
    keys = "\n".join(sorted({recipient.public for recipient in recipients}))
    return b"%s%s\n" % (_READERS, sha256(keys.encode()).hexdigest().encode())


def can_open(recipients: Sequence[Recipient], identities: Identities) -> bool:
    """Whether one of these keys opens a vault for these recipients.

    pyrage cannot derive the public key of an ssh identity, so an empty text is encrypted and decrypted.

    + recipients: readers of the vault
    + identities: the keys to try
    """
    try:
        pyrage.decrypt(seal(b"", recipients), identities.keys)
    except pyrage.DecryptError:
        return False
    return True


def replace(path: Path, sealed: bytes, expected: bytes | None) -> None:
    """Replaces the content of a vault, completely or not at all. The file keeps its mode.

    + path: the vault
    + sealed: the new encrypted content
    + expected: the content when the change began; None for a new vault

    Raises VaultError when somebody changed the vault meanwhile, or when it cannot be written.
    """
    try:
        with _locked(path.parent):
            present = path.read_bytes() if path.exists() else None
            if present == expected:
                mode = 0o644 if expected is None else stat.S_IMODE(path.stat().st_mode)
                _write_and_rename(path, sealed, mode)
                return
    except OSError as error:
        message = f"{shown(path)} cannot be written: {error.strerror}"
    else:
        message = (
            f"{shown(path)} was changed by someone else meanwhile: theirs is kept, yours is not stored; start again"
        )
    raise VaultError(message)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        # Closing would end the lock too, but in a process with pyinfra gevent may delay it.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _write_and_rename(path: Path, content: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
