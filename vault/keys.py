"""The operator's own keys for vaults."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import PyinfraError
from pyrage import IdentityError, ssh, x25519  # type: ignore[import-untyped]

from group_data.schema.paths import CHECKOUT
from vault.curve import scalar_of_age_key, scalars_of_ssh_key

# The command that makes a key, for messages.
MAKE_KEY = "`mkdir -p ~/.config/age && age-keygen -o ~/.config/age/keys.txt`"


class VaultError(PyinfraError):
    """A problem with a vault and the way out, in one message without any value.

    pyinfra shows a PyinfraError without a traceback and exits with 1. The vault's own commands do the same.
    """


@dataclass(frozen=True)
class Identities:
    """The private keys to try, and a record of the search for the case that none opens the vault.

    + keys: pyrage identities, in the order they were found; may be empty
    + looked: one "place: finding" for each place
    + locked: whether one of the keys has a passphrase
    + scalars: the X25519 private key of each of them; those of age keys are added to what is given
    """

    keys: tuple[Any, ...] = field(repr=False)
    looked: tuple[str, ...]
    locked: bool
    scalars: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Add the keys of age."""
        found = (scalar_of_age_key(str(key)) for key in self.keys if isinstance(key, x25519.Identity))
        object.__setattr__(self, "scalars", tuple(dict.fromkeys([*self.scalars, *found])))


@dataclass(frozen=True)
class _Found:
    remark: str
    keys: tuple[Any, ...] = ()
    locked: bool = False
    present: bool = True
    scalars: tuple[bytes, ...] = ()


def shown(path: Path) -> str:
    """A path for messages: relative to the checkout or to the home folder if it lies in one of them.

    + path: an absolute path
    """
    if path.is_relative_to(CHECKOUT):
        return str(path.relative_to(CHECKOUT))
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def find_identities(explicit: str | None = None) -> Identities:
    """The keys of the first existing place: the explicit file, `VAULT_IDENTITY`, `VAULT_IDENTITY_FILE`, the defaults.

    The two default files, `~/.config/age/keys.txt` and `~/.ssh/id_ed25519`, count as one place with the keys of both. An
    explicit file may be missing: group data names it for everyone, but CI has its key in the environment. The result may
    be without a usable key; `vault.store.decrypt` raises then.

    + explicit: an identity file (the data key `vault_identity`); relative to the checkout, `~` is the home folder
    """
    looked: list[str] = []
    for place in _places(explicit):
        found = {name: _read_file(source) if isinstance(source, Path) else _read(source) for name, source in place}
        looked += [f"{name}: {item.remark}" for name, item in found.items()]
        if any(item.present for item in found.values()):
            keys = tuple(key for item in found.values() for key in item.keys)
            scalars = tuple(scalar for item in found.values() for scalar in item.scalars)
            return Identities(keys, tuple(looked), any(item.locked for item in found.values()), scalars)
    return Identities((), tuple(looked), locked=False)


def _places(explicit: str | None) -> Iterator[list[tuple[str, Path | bytes]]]:
    if explicit:
        yield [(f"vault_identity ({explicit})", CHECKOUT / Path(explicit).expanduser())]
    if key := os.environ.get("VAULT_IDENTITY"):
        yield [("VAULT_IDENTITY", key.encode(errors="replace"))]
    if name := os.environ.get("VAULT_IDENTITY_FILE"):
        yield [(f"VAULT_IDENTITY_FILE ({name})", Path(name).expanduser())]
    yield [(shown(path), path) for path in (Path.home() / ".config/age/keys.txt", Path.home() / ".ssh/id_ed25519")]


def _read_file(path: Path) -> _Found:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Found("not there", present=False)
    except OSError as error:
        return _Found(f"cannot be read ({error.strerror})")
    return _read(data)


def _read(data: bytes) -> _Found:
    data = data.strip()
    if data.startswith((b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE")):
        return _Found("is itself encrypted with a passphrase", locked=True)
    return _read_ssh_key(data) if data.startswith(b"-----BEGIN") else _read_age_keys(data)


def _read_ssh_key(data: bytes) -> _Found:
    try:
        identity = ssh.Identity.from_buffer(data)
    except IdentityError as error:
        # pyrage 1.4 has no other sign of a passphrase; a unit test with such a key checks it.
        if "decrypted first" in str(error):
            return _Found("an ssh key with a passphrase", locked=True)
        return _Found("no ssh key of a kind that age supports (ssh-ed25519 is one)")
    return _Found("1 ssh key", (identity,), scalars=scalars_of_ssh_key(data))


def _read_age_keys(data: bytes) -> _Found:
    keys = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            keys.append(x25519.Identity.from_str(line.strip()))
        except IdentityError:
            return _Found(f"line {number} is neither an age key nor a comment")
    return _Found(f"{len(keys)} age key{'s' if len(keys) != 1 else ''}", tuple(keys))


def lines_of(path: Path) -> list[str]:
    """The lines of a file of keys without spaces around them; none if the file is missing.

    Raises VaultError when the file cannot be read.
    """
    try:
        return [line.strip() for line in path.read_bytes().decode(errors="replace").splitlines()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise VaultError(f"{shown(path)} cannot be read: {error.strerror}") from None


def own_public_keys(explicit: str | None = None) -> list[str]:
    """The operator's public keys as lines for recipients.txt: those of age keys, and the one of a usable ssh key.

    + explicit: an identity file, as for `find_identities`
    """
    keys = [str(key.to_public()) for key in find_identities(explicit).keys if isinstance(key, x25519.Identity)]
    ssh_key = Path.home() / ".ssh/id_ed25519"
    if _read_file(ssh_key).keys:
        keys += [line for line in lines_of(ssh_key.with_suffix(".pub")) if line.startswith("ssh-ed25519 ")]
    return keys
