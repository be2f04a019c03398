"""Attacks on vaults by somebody who can write to the repository and opens no vault; each has a control that passes."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyrage import ssh, x25519

from vault import change, store, upkeep
from vault.curve import own_point, point_of, scalars_of_ssh_key
from vault.keys import Identities, VaultError, find_identities
from vault.recipients import Recipient, read_recipients
from vault.seal import sealed_text
from vault.upkeep import Place

FORGED = f'database_password = "{"m" * 20}"\nsecret_key_base = "{"m" * 64}"\ncookie = "{"m" * 30}"\n'


class Team:
    """A clone with vaults for stage and prod, and people with keys who work in it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "clone/vault"
        self.folder.mkdir(parents=True)
        self.keys = folder / "keys"
        self.keys.mkdir()
        self.recipients = self.folder / "recipients.txt"
        self.stage, self.prod = self.folder / "stage.age", self.folder / "prod.age"
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("HOME", str(folder))
        for name in ("VAULT_IDENTITY", "VAULT_IDENTITY_FILE"):
            monkeypatch.delenv(name, raising=False)
        subprocess.run(["git", "init", "-q", self.folder.parent], check=True)

    def person(self, name: str, *, ssh_key: bool = False) -> str:
        """Make a key, and return the public one."""
        if ssh_key:
            key = Ed25519PrivateKey.generate()
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            (self.keys / name).write_bytes(private)
            return (
                key.public_key()
                .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
                .decode()
            )
        identity = x25519.Identity.generate()
        (self.keys / name).write_text(f"{identity}\n")
        return str(identity.to_public())

    def list(self, *publics: str) -> None:
        """Write these keys in the place of those in recipients.txt."""
        lines = self.recipients.read_text().splitlines() if self.recipients.exists() else []
        notes = [line for line in lines if line.startswith("#")]
        self.recipients.write_text("\n".join([*publics, *notes]) + "\n")

    def place(self, path: Path, name: str) -> Place:
        return Place(path, str(self.keys / name))

    def both(self, name: str) -> dict[str, Place]:
        return {path.stem: self.place(path, name) for path in (self.stage, self.prod) if path.exists()}

    def open(self, path: Path, name: str) -> str:
        secrets = store.open_vault(path, str(self.keys / name))
        return secrets.cookie.get_secret_value()

    def refusal(self, path: Path, name: str) -> str:
        with pytest.raises(VaultError) as caught:
            store.open_vault(path, str(self.keys / name))
        assert "may be forged" in str(caught.value)
        return str(caught.value)

    def new_clone(self) -> None:
        """Forget what the clone remembers, as a job of CI or another computer does."""
        shutil.rmtree(self.folder.parent / ".git/vault-recipients", ignore_errors=True)


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Team:
    return Team(tmp_path, monkeypatch)


def accept(_: Sequence[str]) -> None:
    """Say yes to new recipients."""


def forge(team: Team, path: Path, text: str = FORGED) -> None:
    """Encrypt a text with recipients.txt alone, with the line that tells whom it is for."""
    path.write_bytes(store.seal(text.encode(), read_recipients(team.folder)))


def started(team: Team, *, ssh_key: bool = False) -> tuple[str, str]:
    """Alice and Bob, and vaults that Alice has made."""
    alice, bob = team.person("alice", ssh_key=ssh_key), team.person("bob", ssh_key=ssh_key)
    team.list(alice, bob)
    for path in (team.stage, team.prod):
        upkeep.init(team.place(path, "alice"))
    return alice, bob


@pytest.mark.parametrize("ssh_key", [False, True])
@pytest.mark.parametrize("remembers", [False, True])
def test_a_vault_of_somebody_who_has_the_public_keys(team: Team, *, ssh_key: bool, remembers: bool) -> None:
    started(team, ssh_key=ssh_key)
    for name in ("alice", "bob"):
        assert team.open(team.stage, name)
    if not remembers:
        team.new_clone()
    forge(team, team.stage)
    for name in ("alice", "bob"):
        assert "it carries no seal, and it had one" in team.refusal(team.stage, name)
    place = team.place(team.stage, "bob")
    for command in (upkeep.edit, upkeep.init, change.open_place):
        with pytest.raises(VaultError, match="may be forged"):
            command(place)
    with pytest.raises(VaultError, match="may be forged"):
        change.value_of(place, "cookie")
    with pytest.raises(VaultError, match="may be forged"):
        upkeep.encrypt_anew(team.both("bob"))


def test_the_line_in_recipients_taken_out_does_not_help(team: Team) -> None:
    alice, bob = started(team)
    assert team.open(team.stage, "bob")
    team.recipients.write_text(f"{alice}\n{bob}\n")
    forge(team, team.stage)
    assert "it carries no seal" in team.refusal(team.stage, "bob")


@pytest.mark.parametrize("claimed", [0, 1])
@pytest.mark.parametrize("ssh_key", [False, True])
def test_a_seal_in_somebodys_name(team: Team, claimed: int, *, ssh_key: bool) -> None:
    people = started(team, ssh_key=ssh_key)
    team.person("mallory")
    mallory = find_identities(str(team.keys / "mallory"))
    # The seal names another author than the owner of the key that made it.
    made = sealed_text(FORGED.encode(), "stage", [*read_recipients(team.folder), _recipient(mallory)], mallory)
    text = made.replace(str(mallory.keys[0].to_public()).encode(), people[claimed].encode())
    forge(team, team.stage, text.decode())
    for name in ("alice", "bob"):
        assert "its seal is not right" in team.refusal(team.stage, name)


def _recipient(identities: Identities) -> Recipient:
    public = identities.keys[0].to_public()
    return Recipient(public, "mallory", str(public))


@pytest.mark.parametrize("seal", ["{", "[]", "[1, 2, 3, 4]", '["stage", "x", ["x"], ["y"]]', "[" * 100000])
def test_a_line_that_is_no_seal(team: Team, seal: str) -> None:
    started(team)
    forge(team, team.stage, f"# seal: {seal}\n{FORGED}")
    team.refusal(team.stage, "bob")


def test_a_value_changed_under_the_seal(team: Team) -> None:
    started(team)
    key = find_identities(str(team.keys / "alice")).keys
    text = pyrage.decrypt(team.stage.read_bytes(), key)
    changed = text.replace(b'cookie = "', b'cookie = "x')
    assert text != changed
    recipients = [recipient.key for recipient in read_recipients(team.folder)]
    team.stage.write_bytes(pyrage.encrypt(text, recipients))
    assert team.open(team.stage, "bob")
    team.stage.write_bytes(pyrage.encrypt(changed, recipients))
    assert "its seal is not right" in team.refusal(team.stage, "bob")


def test_the_vault_of_another_environment(team: Team) -> None:
    started(team)
    team.prod.write_bytes(team.stage.read_bytes())
    assert "it was sealed as the vault of 'stage'" in team.refusal(team.prod, "alice")


def test_a_recipient_slipped_in_gets_nothing_unasked(team: Team) -> None:
    alice, bob = started(team)
    mallory = team.person("mallory")
    team.list(alice, bob, mallory)
    before = team.stage.read_bytes()
    place = team.place(team.stage, "alice")
    team.monkeypatch.setenv("EDITOR", "sed -i s/Secrets/secrets/")
    for command in (
        lambda **how: upkeep.edit(place, **how),
        lambda **how: change.open_place(place, **how),
        lambda **how: upkeep.encrypt_anew(team.both("alice"), **how),
    ):
        with pytest.raises(VaultError, match=f"new since the vault was sealed(.|\n)*{mallory[:10]}"):
            command(shut_out=True)
        assert team.stage.read_bytes() == before
    team.prod.unlink()
    with pytest.raises(VaultError, match="new since the vault was sealed"):
        upkeep.init(team.place(team.prod, "alice"))
    assert mallory[:10] in upkeep.edit(place, consent=accept)
    assert team.open(team.stage, "mallory")


def test_a_recipient_slipped_in_who_seals_for_himself(team: Team) -> None:
    alice, bob = started(team)
    assert team.open(team.stage, "bob")
    team.list(alice, bob, team.person("mallory"))
    team.stage.unlink()
    team.prod.unlink()
    upkeep_of_mallory = find_identities(str(team.keys / "mallory"))
    text = sealed_text(FORGED.encode(), "stage", read_recipients(team.folder), upkeep_of_mallory)
    forge(team, team.stage, text.decode())
    assert "this clone does not know its author" in team.refusal(team.stage, "bob")


def test_vaults_taken_away_so_that_new_ones_are_made(team: Team) -> None:
    alice, bob = started(team)
    assert team.open(team.stage, "alice")
    team.stage.unlink()
    team.prod.unlink()
    team.list(alice, bob, team.person("mallory"))
    with pytest.raises(VaultError, match="new since the vault was sealed"):
        upkeep.init(team.place(team.stage, "alice"))


def test_somebody_who_was_taken_out_seals_no_more(team: Team) -> None:
    alice, bob = started(team)
    assert team.open(team.stage, "bob")
    team.list(bob)
    assert "is not in recipients.txt" in team.refusal(team.stage, "bob")
    assert "encrypted for" in upkeep.encrypt_anew(team.both("bob"))
    assert team.open(team.stage, "bob")
    assert alice not in team.recipients.read_text()


# What must go on


@pytest.mark.parametrize("ssh_key", [False, True])
def test_a_first_clone_and_a_job_open_what_others_sealed(team: Team, *, ssh_key: bool) -> None:
    started(team, ssh_key=ssh_key)
    team.new_clone()
    assert team.open(team.stage, "bob")
    shutil.rmtree(team.folder.parent / ".git")
    assert team.open(team.prod, "bob")


def test_a_colleague_whom_a_known_one_introduced(team: Team) -> None:
    alice, bob = started(team)
    assert team.open(team.stage, "bob")
    team.list(alice, bob, team.person("carol"))
    upkeep.encrypt_anew(team.both("alice"), consent=accept)
    team.monkeypatch.setenv("EDITOR", "sed -i s/Secrets/secrets/")
    memory = team.folder.parent / ".git/vault-recipients"
    file = next(memory.iterdir())
    file.write_text(f"recipient {alice}\nrecipient {bob}\n")
    upkeep.edit(team.place(team.prod, "carol"))
    file.write_text(f"recipient {alice}\nrecipient {bob}\n")
    assert team.open(team.prod, "bob")


def test_an_older_vault_of_the_same_environment_is_a_right_one(team: Team) -> None:
    """docs/secrets.md says so: git alone tells that somebody brought it back."""
    alice, _ = started(team)
    older, cookie = team.stage.read_bytes(), team.open(team.stage, "alice")
    change.open_place(team.place(team.stage, "alice")).change({"cookie": "c" * 30})
    team.stage.write_bytes(older)
    assert team.open(team.stage, "bob") == cookie
    # Not one of somebody who was taken out since.
    change.open_place(team.place(team.stage, "bob")).change({"cookie": "c" * 30})
    of_bob = team.stage.read_bytes()
    team.list(alice)
    upkeep.encrypt_anew(team.both("alice"))
    team.stage.write_bytes(of_bob)
    assert "is not in recipients.txt" in team.refusal(team.stage, "alice")


def test_a_vault_from_before_there_were_seals(team: Team) -> None:
    team.list(team.person("alice"))
    forge(team, team.stage)
    place = team.place(team.stage, "alice")
    assert team.open(team.stage, "alice")
    assert "encrypted for" in upkeep.encrypt_anew({"stage": place})
    assert "nothing changed" in upkeep.encrypt_anew({"stage": place})
    assert team.open(team.stage, "alice") == "m" * 30
    forge(team, team.stage)
    team.refusal(team.stage, "alice")


def test_the_operator_may_vouch_for_a_vault(team: Team) -> None:
    started(team)
    forge(team, team.stage)
    with pytest.raises(VaultError, match="new since the vault was sealed"):
        upkeep.encrypt_anew(team.both("bob"), trust=True)
    assert "encrypted for" in upkeep.encrypt_anew(team.both("bob"), trust=True, consent=accept)
    assert team.open(team.stage, "bob") == "m" * 30


def test_keys_of_ssh_become_those_that_age_makes_of_them(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (scalar,) = scalars_of_ssh_key(private)
    assert own_point(scalar) == point_of(public.decode())
    assert ssh.Identity.from_buffer(private)
