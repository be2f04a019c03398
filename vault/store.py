"""Encrypted secrets: `vault/<environment>.age`, TOML text in age's format for everyone in `vault/recipients.txt`.

`deploy.py` takes `open_vault` and `vault_path` from here. `commands/vault.py` is what
`make vault-init`, `vault-edit` and `vault-recipients` run.

Every failure is a VaultError whose message says what to do next. No message holds a value, and none is raised while
an exception that holds one is being handled, so that no traceback can print it.
"""

import fcntl
import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]
from pydantic import ValidationError

from group_data.schema.paths import CHECKOUT
from group_data.schema.secrets import Secrets, describe_problems
from vault.keys import MAKE_KEY, Identities, Recipient, VaultError, find_identities, read_recipients, shown

__all__ = ["VaultError", "open_vault", "vault_path"]


def vault_path(directory: str, environment: str) -> Path:
    """Where the vault of an environment lies.

    + directory: the data key `vault_directory`, relative to the checkout
    + environment: the environment's short name
    """
    return CHECKOUT / directory / f"{environment}.age"


def open_vault(path: Path, identity: str | None = None) -> Secrets:
    """Decrypt a vault in memory and check it.

    + path: the vault, see `vault_path`; its name without `.age` is the environment's
    + identity: an identity file (the data key `vault_identity`); without one, or when it does not exist, the places
      that `vault.keys.find_identities` names are looked at

    Raises VaultError when the vault is missing, damaged, encrypted for others, no text in TOML, or when it lacks a key
    or holds an impossible one; also when no usable identity is found.
    """
    plain = decrypt(read_vault(path), path, find_identities(identity))
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
        # The throwaway machine brings those of the environments it was made for.
        machine = ".sandbox" in path.parts and not path.parent.exists()
        maker = "make sandbox-up" if machine else f"make vault-init ENV={path.stem}"
        message = f"there is no {shown(path)}: `{maker}` makes it"
    except OSError as error:
        message = f"{shown(path)} cannot be read: {error.strerror}"
    raise VaultError(message)


def decrypt(sealed: bytes, path: Path, identities: Identities) -> bytes:
    """The text of a vault.

    + sealed: the encrypted content
    + path: where it comes from, for messages
    + identities: the keys to try

    Raises VaultError when there are no keys, when none of them opens it, or when it is damaged.
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
    """The error for a vault whose text has problems, with what mends them.

    + path: the vault
    + problems: what `read_secrets` or `read_values` raised
    """
    lines = [f"{shown(path)} cannot be used:", *str(problems).splitlines()]
    advice = f"Mend it with `make vault-edit ENV={path.stem}`."
    if any(line.endswith(": is missing") for line in lines):
        advice = f"`make vault-init ENV={path.stem}` makes missing keys and changes nothing else. {advice}"
    return VaultError("\n  ".join(lines) + "\n" + advice)


def read_values(plain: bytes) -> dict[str, Any]:
    """The keys and values in a vault's text, unchecked.

    + plain: the text

    Raises VaultError with the line that is not TOML, but nothing that stands there.
    """
    try:
        return tomllib.loads(plain.decode())
    except UnicodeDecodeError as error:
        number = plain[: error.start].count(b"\n") + 1
        where = f"line {number} is not UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # tomllib quotes what it found, so only the position is taken from its message.
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


def seal(plain: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Encrypt a vault's text.

    + plain: the text
    + recipients: everyone who shall be able to open it
    """
    return bytes(pyrage.encrypt(plain, [recipient.key for recipient in recipients]))


def can_open(recipients: Sequence[Recipient], identities: Identities) -> bool:
    """Whether a vault encrypted for these recipients opens with one of these keys.

    Found by trying, as pyrage cannot tell the public key of an ssh identity.

    + recipients: whom it would be encrypted for
    + identities: the keys to try
    """
    try:
        pyrage.decrypt(seal(b"", recipients), identities.keys)
    except pyrage.DecryptError:
        return False
    return True


def replace(path: Path, sealed: bytes, expected: bytes | None) -> None:
    """Put new content in a vault: the whole of it or, whatever happens, none. The file's mode is kept.

    + path: the vault
    + sealed: the new encrypted content
    + expected: what the vault held when the change began; None for a vault that did not exist

    Raises VaultError when the vault holds something else by now, or cannot be written.
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
        # Said aloud: where pyinfra is imported, gevent may put the closing off, and with it the end of the lock.
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
