"""Judges whether somebody who can open a vault has written it, and names recipients whom nobody has accepted yet."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from vault.keys import Identities, VaultError, shown
from vault.memory import Memory
from vault.recipients import RECIPIENTS_FILE, Recipient, must_be_sealed, read_recipients
from vault.seal import Seal, holds, is_own

# Opens a vault beside the one that is judged: its seal and text; None if that is not possible.
Reader = Callable[[Path], tuple[Seal, bytes] | None]

# Is asked with the names of new recipients, and returns if they may open the vault; else it raises VaultError.
Consent = Callable[[Sequence[str]], None]


class ForgeryError(VaultError):
    """A vault that somebody may have written who cannot open the real one."""


def refuse_new_recipients(names: Sequence[str]) -> None:
    """Raise VaultError: the answer where nobody can be asked.

    + names: of the new recipients
    """
    raise VaultError(
        "\n  ".join(["these recipients are new since the vault was sealed, and would read all of it:", *names])
        + "\nNothing was changed. If each of them may, repeat with NEW=1; if not, take them out of "
        + RECIPIENTS_FILE
    )


def require_authentic(
    path: Path, seal: Seal | None, plain: bytes, identities: Identities, read: Reader, *, leavers: bool = False
) -> None:
    """Refuse a vault that somebody may have made who cannot open the real one.

    + path: the vault
    + seal: before its text
    + plain: its text
    + identities: the reader's keys
    + read: opens the vaults beside it
    + leavers: whether its author may have been taken out of recipients.txt since

    A vault from before there were seals passes, until one of this name was sealed. Raises VaultError.
    """
    memory = Memory.of(path.parent)
    if seal is None:
        if must_be_sealed(path) or memory.has_sealed(path.stem):
            raise _refusal(
                path, "it carries no seal, and it had one: everybody who has recipients.txt can make such a file"
            )
        return
    if seal.name != path.stem:
        raise _refusal(path, f"it was sealed as the vault of {seal.name!a}")
    if not is_own(seal, identities):
        _require_known_author(path, seal, identities, read, memory, leavers=leavers)
    if not holds(seal, plain, identities):
        raise _refusal(path, "its seal is not right: its author could not open the vault, or it was not sealed for you")
    memory.learn(path.stem, seal.recipients)


def _require_known_author(
    path: Path, seal: Seal, identities: Identities, read: Reader, memory: Memory, *, leavers: bool
) -> None:
    listed = {recipient.public for recipient in read_recipients(path.parent)}
    if seal.author not in listed | (memory.recipients if leavers else set()):
        raise _refusal(path, f"its author, {_short(seal.author)}, is not in {RECIPIENTS_FILE}")
    if not memory.recipients or seal.author in memory.recipients:
        return
    # A colleague whom another vault introduces: somebody known has sealed that one for her, too.
    for other in sorted(path.parent.glob("*.age")):
        beside = read(other) if other != path else None
        if beside is None or seal.author not in beside[0].recipients or beside[0].name != other.stem:
            continue
        known = is_own(beside[0], identities) or beside[0].author in memory.recipients & listed
        if known and holds(*beside, identities):
            return
    raise _refusal(path, f"this clone does not know its author, {_short(seal.author)}, and no vault introduces it")


def _refusal(path: Path, reason: str) -> VaultError:
    return ForgeryError(
        f"{shown(path)} may be forged: {reason}. See who changed it, `git log -- {shown(path)}`, and restore it. "
        "If you know that it is right, `make vault-recipients TRUST=1` seals it anew"
    )


def _short(public: str) -> str:
    printable = "".join(character for character in public if character.isprintable())
    return printable if len(printable) < 30 else f"{printable[:12]}...{printable[-8:]}"


def new_recipients(
    recipients: Sequence[Recipient], accepted: Collection[str] | None, identities: Identities
) -> list[str]:
    """The names of recipients whom nobody has accepted yet.

    + recipients: everyone in recipients.txt
    + accepted: public keys that the seal names; None without any seal
    + identities: the keys of the operator, whose own key needs no question
    """
    own = Seal("", "", (), ())
    return [
        recipient.name
        for recipient in recipients
        if accepted is not None
        and recipient.public not in accepted
        and not is_own(own._replace(author=recipient.public), identities)
    ]
