"""One OpenSSH configuration serves both ways to a machine: what ssh(1) would do, paramiko does."""

import getpass
import subprocess
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.agent import AgentKey, AgentSSH

from connectors import keys as login_keys
from connectors.client import Client
from connectors.keys import keys
from connectors.openssh import NO_WORD, ConfigurationError, Way, read_end, read_way, user_of
from connectors.reasons import changed_key, reason, refused_login

CONFIG = """
Match originalhost pinned exec "test -n ok"
    Port 2222
    HostName 192.0.2.7
Host hopped
    ProxyJump jumper@first.example.com:22,second
Host commanded
    ProxyCommand nc -x proxy:1080 %h %p %%
Host aliased
    HostKeyAlias the-machine
    IdentityFile ~/key.pub
    IdentitiesOnly yes
    IdentityAgent none
"""


@pytest.fixture
def way(tmp_path: Path) -> Any:
    """Reads the way to a host of a configuration."""
    (tmp_path / "config").write_text(CONFIG)

    def read(address: str, **data: Any) -> Way:
        return read_way({"ssh_config_file": str(tmp_path / "config")} | data, address, {"SSH_AUTH_SOCK": "/agent"})

    return read


def test_match_and_port_of_the_configuration_count(way: Any) -> None:
    found = way("pinned", ssh_user="devops", ssh_known_hosts_file="known_hosts", ssh_strict_host_key_checking="yes")
    assert found[:4] == ("192.0.2.7", 2222, "devops", "[192.0.2.7]:2222")
    assert found.known_hosts[0] == "known_hosts"
    assert (found.strict, found.agent) == ("true", "/agent")


def test_the_inventorys_port_wins(way: Any) -> None:
    assert way("pinned", ssh_port=2200).port == 2200


def test_a_file_of_host_keys_has_any_name(way: Any, tmp_path: Path) -> None:
    name = tmp_path / "Anna's deploys" / "known hosts"
    name.parent.mkdir()
    name.touch()
    assert way("pinned", ssh_known_hosts_file=str(name)).known_hosts[0] == str(name)


def test_ssh_itself_goes_through_jump_hosts(way: Any, tmp_path: Path) -> None:
    proxy = list(way("hopped").proxy)
    assert proxy[-5:] == ["-J", "jumper@first.example.com:22", "-W", "hopped:22", "ssh://second"]
    assert ["-F", str(tmp_path / "config")] == proxy[proxy.index("-F") :][:2]


def test_a_proxy_command_gets_address_and_port(way: Any) -> None:
    assert list(way("commanded", ssh_port=2200).proxy) == ["sh", "-c", "exec nc -x proxy:1080 commanded 2200 %"]


def test_a_name_for_the_key_and_one_identity(way: Any) -> None:
    found = way("aliased", ssh_port=2200)
    assert (found.key_name, found.agent, found.only_identities) == ("the-machine", None, True)
    assert found.identities == (str(Path("~/key.pub").expanduser()),)


def test_the_inventorys_key_is_the_only_one(way: Any) -> None:
    found = way("anywhere", ssh_key="/keys/ci key")
    assert (found.identities, found.only_identities) == (("/keys/ci key",), True)


def test_a_configuration_that_ssh_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Hots x\n")
    with pytest.raises(ConfigurationError, match="Bad configuration option: hots"):
        read_way({"ssh_config_file": str(tmp_path / "config")}, "x", {})


@pytest.fixture
def pairs(tmp_path: Path) -> list[tuple[Path, AgentKey]]:
    """Nine files of keys, and the same as an agent holds them."""
    made = []
    for number in range(9):
        path = tmp_path / f"id_{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"key {number}", "-f", path], check=True)
        public = paramiko.Ed25519Key.from_private_key_file(str(path))
        made.append((path, AgentKey(AgentSSH(), public.asbytes(), f"key {number}")))
    return made


def tried(monkeypatch: pytest.MonkeyPatch, held: list[AgentKey], **changes: Any) -> list[str]:
    agent = type("Agent", (), {"__init__": lambda *_: None, "get_keys": lambda _: held})
    monkeypatch.setattr(login_keys, "_Agent", agent)
    way = Way("server", 22, "devops", "server", (), "true", (), (), False, "/agent", ())
    return [name.rpartition("/")[2] for name, _ in keys(way._replace(**changes))]


def test_of_nine_keys_of_an_agent_the_configurations_is_tried_alone(
    pairs: list[tuple[Path, AgentKey]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """sshd allows six attempts (MaxAuthTries). The public key's file says which one is meant."""
    held = [key for _, key in pairs]
    public = f"{pairs[7][0]}.pub"
    assert tried(monkeypatch, held, identities=(public,), only_identities=True) == ["id_7.pub of the agent"]
    first, *others = tried(monkeypatch, held, identities=(public,))
    assert (first, len(others)) == ("id_7.pub of the agent", 8)


def test_a_file_follows_the_agent(pairs: list[tuple[Path, AgentKey]], monkeypatch: pytest.MonkeyPatch) -> None:
    file, other = str(pairs[0][0]), pairs[1][1]
    assert tried(monkeypatch, [other], identities=(file, "/nowhere")) == ["key 1 of the agent", "id_0"]
    assert tried(monkeypatch, [other], identities=(file,), only_identities=True) == ["id_0"]
    assert tried(monkeypatch, [], identities=(file,), agent=None) == ["id_0"]


def test_a_key_with_a_passphrase_needs_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", path], check=True)
    assert tried(monkeypatch, [], identities=(str(path),)) == []


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_openssl_logs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """PKCS#8, as a cloud's console writes it: ssh(1) reads it, and paramiko does not."""
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-m", "PKCS8", "-f", path], check=True)
    assert Path(path).read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert tried(monkeypatch, [], identities=(path,)) == ["key"]
    assert login_keys.load(path).get_base64() == Path(f"{path}.pub").read_text().split()[1]


@pytest.mark.parametrize("form", ["PKCS8", "PEM", "RFC4716"])
def test_a_key_that_only_an_agent_can_use_is_named(tmp_path: Path, form: str) -> None:
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "secret phrase", "-m", form, "-f", path], check=True)
    way = Way("server", 22, "devops", "server", (), "true", (), (), False, "/agent", ())._replace(
        identities=(path,), pkcs11="/lib/card.so"
    )
    said = refused_login(way, ["other of the agent"])
    assert f"{path} has a passphrase, /lib/card.so (PKCS11Provider)" in said
    assert f"{path} has a passphrase" in refused_login(way, [])
    assert "agent (ssh-add)" not in refused_login(way._replace(identities=(), pkcs11=""), ["other"])


def test_the_file_with_the_old_key_is_named(tmp_path: Path) -> None:
    pinned, other = tmp_path / "known_hosts", tmp_path / "others"
    key = paramiko.ECDSAKey.generate()
    other.write_text("")
    pinned.write_text(f"[server]:2222 {key.get_name()} {key.get_base64()}\n")
    way = Way("server", 2222, "d", "[server]:2222", (str(other), str(pinned)), "true", (), (), False, None, ())
    assert changed_key(way).endswith(f"ssh-keygen -R '[server]:2222' -f {pinned}")


@pytest.mark.parametrize(
    ("words", "made", "reason"),
    [
        ("Timeout, server 10.0.0.1 not responding.\n", True, "it said nothing for 36 seconds"),
        ("Connection to 10.0.0.1 closed by remote host.\n", True, "ssh says: Connection to 10.0.0.1 closed by remote host"),
        (
            "ssh: connect to host 10.0.0.1 port 22: Connection timed out\r\n", False,
            "ssh says: ssh: connect to host 10.0.0.1 port 22: Connection timed out",
        ),
        (
            "kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 10.0.0.1 port 22\r\n", False,
            f"ssh says: Connection reset by 10.0.0.1 port 22. {NO_WORD}",
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\r\nConnection closed by 10.0.0.1 port 22\r\n",
            False, f"ssh says: Connection closed by 10.0.0.1 port 22. {NO_WORD}",
        ),
    ],
)  # fmt: skip
def test_the_end_of_a_connection_of_ssh(words: str, made: bool, reason: str) -> None:
    assert read_end(f"Warning: Permanently added x\n{words}") == (made, reason)


@pytest.mark.parametrize("words", ["", "Connection to 10.0.0.1 closed.\n", "Warning: Permanently added x\n"])
def test_words_about_no_connection(words: str) -> None:
    assert read_end(words) is None


def test_a_login_that_sshd_ends_is_told_from_a_key_that_it_refuses() -> None:
    client = Client.__new__(Client)
    client.way = read_way({}, "192.0.2.1", {})
    client.login = login_keys.Login(client.way)
    client.login.tried = ["a key"]
    # paramiko's words.
    ended = paramiko.AuthenticationException("k -> Authentication failed: transport shut down or saw EOF")
    assert "/etc/nologin on the machine keeps everybody but root out" in reason(ended, client)
    assert "with none of these keys: a key" in reason(paramiko.AuthenticationException("no"), client)


def test_the_user_is_the_one_that_ssh_takes(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host box\n    User jane\n")
    assert user_of({"ssh_config_file": str(config)}, "box") == "jane"
    assert user_of({"ssh_config_file": str(config), "ssh_user": "devops"}, "box") == "devops"
    config.write_text("Nonsense\n")
    assert user_of({"ssh_config_file": str(config)}, "box") == getpass.getuser()
