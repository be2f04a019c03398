"""The public keys of everyone who may open a vault."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrage import RecipientError, ssh, x25519  # type: ignore[import-untyped]

from vault.keys import VaultError, lines_of, shown

RECIPIENTS_FILE = "recipients.txt"

# Begins the line in recipients.txt that says of one vault that it carries a seal; the name of its file follows.
SEALED = "# sealed: "


@dataclass(frozen=True)
class Recipient:
    """One line of recipients.txt.

    + key: the pyrage recipient
    + name: the owner from the comment, and the kind of the key
    + public: text of the key, without a comment
    """

    key: Any
    name: str
    public: str


def read_recipients(directory: Path) -> list[Recipient]:
    """The public keys of everyone who may open the vaults of a folder.

    `recipients.txt` has one public key a line, `age1...` or `ssh-ed25519 ...`, and `#` comments; `age -R` reads it too.
    Keys of age have no comment of their own, so a comment right above a key names its owner.

    + directory: the folder with the vaults and `recipients.txt`

    Raises VaultError when a line is no public key, with its number and not its text, and when there is no recipient.
    """
    path = directory / RECIPIENTS_FILE
    recipients: list[Recipient] = []
    problems: list[str] = []
    above = ""
    for number, line in enumerate(lines_of(path), start=1):
        if line and not line.startswith("#"):
            try:
                recipients.append(_recipient(line, above))
            except RecipientError:
                problems.append(f"line {number} is {_guess(line)}")
        above = line.lstrip("# ") if line.startswith("#") and not line.startswith(SEALED) else ""
    if problems:
        raise VaultError("\n  ".join([f"{shown(path)} has lines that are no recipients:", *problems]))
    if not recipients:
        raise VaultError(f"{shown(path)} names no recipient: add a line with your public key")
    return recipients


def must_be_sealed(path: Path) -> bool:
    """Whether recipients.txt says that a vault carries a seal.

    + path: the vault
    """
    return f"{SEALED}{path.name}" in lines_of(path.parent / RECIPIENTS_FILE)


def any_must_be_sealed(directory: Path) -> bool:
    """Whether recipients.txt says of any vault in its folder that it carries a seal.

    + directory: the folder
    """
    return any(line.startswith(SEALED) for line in lines_of(directory / RECIPIENTS_FILE))


def note_sealed(path: Path) -> None:
    """Write into recipients.txt that a vault carries a seal, so that one without is refused from now on.

    + path: the vault

    Raises VaultError when the file cannot be written.
    """
    file = path.parent / RECIPIENTS_FILE
    if must_be_sealed(path):
        return
    try:
        present = file.read_bytes()
        with file.open("ab") as opened:
            opened.write(b"" if present.endswith(b"\n") or not present else b"\n")
            opened.write(f"{SEALED}{path.name}\n".encode())
    except OSError as error:
        raise VaultError(f"{shown(file)} cannot be written: {error.strerror}") from None


def _recipient(line: str, above: str) -> Recipient:
    kind, _, rest = line.partition(" ")
    if kind == "ssh-ed25519":
        key, owner = ssh.Recipient.from_str(line), rest.strip().partition(" ")[2] or above
        short = f"{kind} ...{rest.split()[0][-8:]}"
    else:
        key, owner, short = x25519.Recipient.from_str(line), above, f"{line[:10]}...{line[-6:]}"
    printable = "".join(c for c in owner if c.isprintable())
    public = " ".join(line.split()[:2]) if kind == "ssh-ed25519" else line
    return Recipient(key, f"{printable} ({short})" if printable else short, public)


def _guess(line: str) -> str:
    if line.upper().startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in line:
        return "a private key: take it out and replace that key, since everyone with this repository could read it"
    if line.startswith(("ssh-", "ecdsa-", "sk-")) and not line.startswith("ssh-ed25519"):
        return "an ssh key of another kind: use ssh-ed25519 or an age key"
    return "no age1... or ssh-ed25519 public key"
