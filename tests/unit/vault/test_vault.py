"""Vaults opened with real keys, and every message for a vault that cannot be opened."""

import traceback
from pathlib import Path

import pyrage  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st
from pyinfra.api.exceptions import PyinfraError
from pyrage import x25519

from group_data.schema.paths import CHECKOUT
from vault import store
from vault.keys import Identities, find_identities
from vault.recipients import read_recipients
from vault.store import VaultError, open_vault

SECRET = "swordfish"
TEXT = f"""\
# a comment
database_password = "{SECRET}-password"
secret_key_base = "{SECRET * 8}"
cookie = "{SECRET * 3}"
mailer_key = 'say "{SECRET}" \\ #{{x}}'
"""


def ssh_key(passphrase: bytes = b"") -> tuple[bytes, str]:
    """A new ssh-ed25519 pair in OpenSSH's formats."""
    key = Ed25519PrivateKey.generate()
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, protection)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()


class Desk:
    """An operator's home with an age key and a vault folder that names it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.keys = self.home / ".config/age/keys.txt"
        self.ssh = self.home / ".ssh/id_ed25519"
        self.path = folder / "vault" / "stage.age"
        self.recipients = folder / "vault" / "recipients.txt"
        for parent in (self.keys.parent, self.ssh.parent, self.path.parent):
            parent.mkdir(parents=True)
        self.key = x25519.Identity.generate()
        self.keys.write_text(f"# created by age-keygen\n{self.key}\n")
        self.recipients.write_text(f"# operator\n{self.key.to_public()}\n")

    def write(self, text: str | bytes = TEXT) -> None:
        plain = text.encode() if isinstance(text, str) else text
        self.path.write_bytes(store.seal(plain, read_recipients(self.path.parent)))

    def refusal(self, identity: str | None = None) -> str:
        """The message of a refused vault, after checking that nothing a traceback prints holds a value."""
        with pytest.raises(VaultError) as caught:
            open_vault(self.path, identity)
        assert isinstance(caught.value, PyinfraError)
        chain: BaseException | None = caught.value
        while chain:
            assert SECRET not in f"{chain!r} {chain.args} {vars(chain)}"
            chain = chain.__cause__ or chain.__context__
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        return str(caught.value)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    for name in ("VAULT_IDENTITY", "VAULT_IDENTITY_FILE", "YES"):
        monkeypatch.delenv(name, raising=False)
    made = Desk(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    return made


def test_open(desk: Desk) -> None:
    desk.write()
    secrets = open_vault(desk.path)
    assert secrets.database_password.get_secret_value() == f"{SECRET}-password"
    assert secrets.application["mailer_key"].get_secret_value() == f'say "{SECRET}" \\ #{{x}}'
    assert SECRET not in repr(secrets)


def test_vault_path_is_in_the_checkout() -> None:
    assert store.vault_path("vault", "stage") == CHECKOUT / "vault" / "stage.age"
    assert store.vault_path("/elsewhere", "prod") == Path("/elsewhere/prod.age")


def test_ssh_key(desk: Desk) -> None:
    private, public = ssh_key()
    desk.recipients.write_text(f"{public} alice@laptop\n")
    desk.write()
    desk.ssh.write_bytes(private)
    assert open_vault(desk.path).cookie


def test_both_default_files_are_tried(desk: Desk) -> None:
    private, public = ssh_key()
    desk.write()
    desk.ssh.write_bytes(private)
    assert open_vault(desk.path)
    desk.recipients.write_text(public)
    desk.write()
    assert open_vault(desk.path)


def test_several_keys_in_one_file(desk: Desk) -> None:
    desk.write()
    desk.keys.write_text(f"# old\n{x25519.Identity.generate()}\r\n\n# new\n  {desk.key}")
    assert open_vault(desk.path)


def test_a_protected_default_key_does_not_matter_when_another_opens(desk: Desk) -> None:
    desk.write()
    desk.ssh.write_bytes(ssh_key(b"passphrase")[0])
    assert open_vault(desk.path)


def test_order_of_places(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: x25519.Identity.generate() for name in ("explicit", "text", "file")}
    for name in ("explicit", "file"):
        (tmp_path / name).write_text(str(keys[name]))
    monkeypatch.setenv("VAULT_IDENTITY", str(keys["text"]))
    monkeypatch.setenv("VAULT_IDENTITY_FILE", str(tmp_path / "file"))

    def found(explicit: str | None = None) -> list[str]:
        return [str(key) for key in find_identities(explicit).keys]

    assert found(str(tmp_path / "explicit")) == [str(keys["explicit"])]
    assert found(str(tmp_path / "absent")) == [str(keys["text"])]
    assert found() == [str(keys["text"])]
    monkeypatch.delenv("VAULT_IDENTITY")
    assert found() == [str(keys["file"])]
    monkeypatch.delenv("VAULT_IDENTITY_FILE")
    assert found() == [str(desk.key)]


def test_explicit_identity_below_the_home_folder(desk: Desk) -> None:
    desk.write()
    desk.keys.rename(desk.home / "key.txt")
    assert open_vault(desk.path, "~/key.txt")


def test_identity_text_in_the_environment_may_be_an_ssh_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    private, public = ssh_key()
    desk.recipients.write_text(public)
    desk.write()
    monkeypatch.setenv("VAULT_IDENTITY", f"\n{private.decode().strip()}  ")
    assert open_vault(desk.path)


def test_missing_vault(desk: Desk) -> None:
    assert "make vault-init ENV=stage" in desk.refusal()


def test_the_vaults_of_the_throwaway_machine_come_with_it(tmp_path: Path) -> None:
    path = tmp_path / ".sandbox/vault/stage.age"
    with pytest.raises(VaultError, match="`make sandbox-up` makes it"):
        store.read_vault(path)
    path.parent.mkdir(parents=True)
    with pytest.raises(VaultError, match="`make vault-init ENV=stage` makes it"):
        store.read_vault(path)


def test_vault_that_cannot_be_read(desk: Desk) -> None:
    desk.path.mkdir()
    assert "Is a directory" in desk.refusal()


def test_no_identity_lists_the_places(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write()
    desk.keys.unlink()
    monkeypatch.setenv("VAULT_IDENTITY_FILE", "/no/such/file")
    message = desk.refusal("no/such/identity")
    for place in ("vault_identity (no/such/identity)", "VAULT_IDENTITY_FILE (/no/such/file)", "~/.config/age/keys.txt"):
        assert f"{place}: not there" in message
    assert "~/.ssh/id_ed25519: not there" in message
    assert "age-keygen" in message
    assert "VAULT_IDENTITY" in message


def test_identity_that_is_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write()
    monkeypatch.setenv("VAULT_IDENTITY", f"# ok\nAGE-SECRET-KEY-1{SECRET}")
    assert "VAULT_IDENTITY: line 2 is neither an age key nor a comment" in desk.refusal()
    monkeypatch.setenv("VAULT_IDENTITY", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n")
    assert "VAULT_IDENTITY: no ssh key of a kind that age supports" in desk.refusal()
    monkeypatch.setenv("VAULT_IDENTITY", "# nothing")
    assert "VAULT_IDENTITY: 0 age keys" in desk.refusal()


def test_identity_file_that_cannot_be_read(desk: Desk) -> None:
    desk.write()
    assert "cannot be read (Is a directory)" in desk.refusal(str(desk.home))


def test_protected_ssh_key(desk: Desk) -> None:
    private, public = ssh_key(b"passphrase")
    desk.recipients.write_text(f"{public} alice@laptop\n")
    desk.write()
    desk.keys.unlink()
    desk.ssh.write_bytes(private)
    message = desk.refusal()
    assert "~/.ssh/id_ed25519: an ssh key with a passphrase" in message
    assert "age-keygen" in message
    assert "VAULT_IDENTITY, as in CI" in message


def test_protected_ssh_key_beside_a_wrong_age_key(desk: Desk) -> None:
    private, public = ssh_key(b"passphrase")
    desk.recipients.write_text(public)
    desk.write()
    desk.ssh.write_bytes(private)
    message = desk.refusal()
    assert "encrypted for others" in message
    assert "A key with a passphrase cannot be used" in message


def test_identity_file_that_is_itself_encrypted(desk: Desk) -> None:
    desk.write()
    desk.keys.write_bytes(pyrage.passphrase.encrypt(str(desk.key).encode(), "passphrase"))
    message = desk.refusal()
    assert "keys.txt: is itself encrypted with a passphrase" in message
    assert "cannot be used" in message


def test_wrong_identity_names_the_recipients(desk: Desk) -> None:
    _, public = ssh_key()
    other = str(x25519.Identity.generate().to_public())
    desk.recipients.write_text(f"# heading\n\n{public} alice@laptop\n# bob's \x1b[31mphone\n{other}\n")
    desk.write()
    message = desk.refusal()
    assert "alice@laptop (ssh-ed25519 ..." in message
    assert "bob's [31mphone (age1" in message
    assert "heading" not in message
    assert "make vault-recipients" in message
    assert "~/.config/age/keys.txt: 1 age key" in message


def test_wrong_identity_and_no_recipients_file(desk: Desk) -> None:
    desk.write()
    desk.recipients.unlink()
    desk.keys.write_text(str(x25519.Identity.generate()))
    assert "names no recipient" in desk.refusal()


def test_missing_keys(desk: Desk) -> None:
    desk.write(f'database_password = "{SECRET}-password"\n')
    message = desk.refusal()
    assert "cookie: is missing" in message
    assert "secret_key_base: is missing" in message
    assert "make vault-init ENV=stage" in message


def test_all_problems_are_listed(desk: Desk) -> None:
    desk.write(TEXT.replace(SECRET * 8, SECRET).replace("mailer_key", "mailer-key") + "port = 4\n")
    message = desk.refusal()
    for name in ("secret_key_base", "'mailer-key'", "port"):
        assert f"\n  {name}: " in message
    assert "make vault-edit ENV=stage" in message
    assert "vault-init" not in message


@pytest.mark.parametrize("damage", [b"", b"junk", b"age-encryption.org/v1\n", b"<<<<<<< HEAD\nage-encryption.org/v1\n"])
def test_no_age_file(desk: Desk, damage: bytes) -> None:
    desk.path.write_bytes(damage)
    message = desk.refusal()
    assert "damaged" in message
    assert "git checkout -- " in message


def test_truncated_file(desk: Desk) -> None:
    desk.write()
    desk.path.write_bytes(desk.path.read_bytes()[:-5])
    assert "damaged" in desk.refusal()


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (f'a = "x"\nb = {SECRET}\n', "line 2 is not TOML"),
        (f'a = "{SECRET}\n', "line 1 is not TOML"),
        (f'a = """{SECRET}', "the end of the text is not TOML"),
        (f'a = "{SECRET}"\na = "{SECRET}"\n', "is not TOML"),
        ('a = "é"\nb = "\x01"\n', "line 2 is not TOML"),
        ('a = "\\ud800"\n', "line 1 is not TOML"),
        ("a = " + "[" * 10000, "is not TOML"),
        (b'a = "x"\nb = "' + SECRET.encode() + b'\xff"\n', "line 2 is not UTF-8"),
    ],
    ids=range(8),  # pytest would name the folder after the text, and messages show the folder
)
def test_malformed_toml(desk: Desk, text: str | bytes, where: str) -> None:
    desk.write(text)
    message = desk.refusal()
    assert where in message
    assert "make vault-edit ENV=stage" in message


@pytest.mark.parametrize("text", ["", "# only a comment\n\n"])
def test_no_recipients(desk: Desk, text: str) -> None:
    desk.recipients.write_text(text)
    with pytest.raises(VaultError, match="names no recipient"):
        read_recipients(desk.path.parent)


def test_malformed_recipients(desk: Desk) -> None:
    _, public = ssh_key()
    lines = [
        "# comment",
        public,
        f"age1{SECRET}",
        "ssh-rsa AAAA",
        f"ssh-ed25519 {SECRET}",
        str(desk.key),
        "ssh-ed25519",
        "é",
    ]
    desk.recipients.write_text("\n".join(lines))
    with pytest.raises(VaultError) as caught:
        read_recipients(desk.path.parent)
    message = str(caught.value)
    assert [number for number in range(1, 9) if f"line {number} is " in message] == [3, 4, 5, 6, 7, 8]
    assert "line 6 is a private key" in message
    assert "line 4 is an ssh key of another kind" in message
    assert SECRET not in message
    assert str(desk.key) not in message


def test_recipients_in_several_forms(desk: Desk) -> None:
    _, public = ssh_key()
    desk.recipients.write_text(f"  {desk.key.to_public()}  \r\n\r\n\t{public}\talice\n")
    assert len(read_recipients(desk.path.parent)) == 2
    desk.recipients.unlink()
    desk.recipients.mkdir()
    with pytest.raises(VaultError, match="Is a directory"):
        read_recipients(desk.path.parent)


def test_replace_keeps_the_mode_and_leaves_nothing_behind(desk: Desk) -> None:
    desk.write()
    desk.path.chmod(0o640)
    store.replace(desk.path, b"new", desk.path.read_bytes())
    assert desk.path.read_bytes() == b"new"
    assert desk.path.stat().st_mode & 0o777 == 0o640
    assert sorted(item.name for item in desk.path.parent.iterdir()) == ["recipients.txt", "stage.age"]


@pytest.mark.parametrize("expected", [None, b"old"])
def test_replace_refuses_what_changed_meanwhile(desk: Desk, expected: bytes | None) -> None:
    desk.path.write_bytes(b"theirs")
    with pytest.raises(VaultError, match="changed by someone else"):
        store.replace(desk.path, b"mine", expected)
    assert desk.path.read_bytes() == b"theirs"


def test_replace_refuses_to_bring_back_a_removed_vault(desk: Desk) -> None:
    with pytest.raises(VaultError, match="changed by someone else"):
        store.replace(desk.path, b"mine", b"old")
    assert not desk.path.exists()


def test_replace_that_cannot_write(desk: Desk) -> None:
    with pytest.raises(VaultError, match="cannot be written: No such file"):
        store.replace(desk.path.parent / "absent" / "stage.age", b"mine", None)


def quoted(value: str) -> str:
    """A TOML basic string, as a careful person would write it."""
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\t"}
    return '"' + "".join(special.get(c, c if c.isprintable() else f"\\U{ord(c):08x}") for c in value) + '"'


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@example('"; #{System.halt()} \\ \r\n \u2028 \U0001f4a9')
def test_odd_values_survive_the_text_and_the_encryption(value: str) -> None:
    key = x25519.Identity.generate()
    text = TEXT + f"odd = {quoted(value)}\n"
    secrets = store.read_secrets(pyrage.decrypt(pyrage.encrypt(text.encode(), [key.to_public()]), [key]))
    assert secrets.application["odd"].get_secret_value() == value


KEY = x25519.Identity.generate()
SEALED = pyrage.encrypt(TEXT.encode(), [KEY.to_public()])


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    damaged = bytearray(SEALED)
    damaged[position] ^= change
    with pytest.raises(VaultError) as caught:
        store.decrypt(bytes(damaged), Path("/vault/stage.age"), Identities((KEY,), (), locked=False))
    assert SECRET not in str(caught.value)
