"""One configuration for both ways to a machine: OpenSSH's own, with the inventory's data over it.

ssh(1) reads it itself. For paramiko, `ssh -G` says what ssh(1) would do, so that `Match`, `Include`, `ProxyJump`, ports and
keys mean the same. Knows neither gevent nor paramiko.
"""

import getpass
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from connectors.silence import PATIENCE
from connectors.terminal import shown

# OpenSSH's options by pyinfra's names of them in the inventory.
_OPTIONS = {
    "ssh_user": "User",
    "ssh_key": "IdentityFile",
    "ssh_known_hosts_file": "UserKnownHostsFile",
    "ssh_strict_host_key_checking": "StrictHostKeyChecking",
}

# Exit code of ssh(1) if the connection could not be made or was lost. The command on the host may end with it too.
NOT_CONNECTED = 255

# Words of ssh(1) about a connection that was there. "Timeout, server" follows ServerAliveCountMax questions.
_LOST = re.compile(
    r"Timeout, server .* not responding|client_loop: |[Cc]losed by remote host|Connection reset|Broken pipe"
)
# Words of ssh(1) where sshd ended the connection before it said anything, although they have some of those above.
_BEFORE = re.compile(r"kex_exchange_identification: |banner exchange: ")
_SILENT = re.compile(r"Timeout, server .* not responding")

# Lines that ssh(1) writes whatever happens.
_NO_CONCERN = re.compile(r"Warning: |Connection to \S+ closed\.$|Shared connection|Pseudo-terminal|\*\*|debug\d:")

# Seconds for one address to accept a connection, and for sshd to say its first word.
TIMEOUT = 10

# ssh(1) waits without an end by default. With these a silent network ends it after 48 seconds, at every step of it.
_LIMITS = {"ConnectTimeout": TIMEOUT, "ServerAliveInterval": 12, "ServerAliveCountMax": 3}


# Why sshd may say nothing. OpenSSH 9.8 and later refuse an address for some minutes after logins that failed.
NO_WORD = (
    "sshd does not answer there: it is overloaded, refuses this computer for some minutes after failed logins "
    "(PerSourcePenalties), or is no sshd"
)


class ConfigurationError(Exception):
    """A configuration that OpenSSH refuses, in its own words."""


class End(NamedTuple):
    """The end of a connection of ssh(1).

    + made: whether there was a connection before
    + reason: a clause without a full stop
    """

    made: bool
    reason: str


class Way(NamedTuple):
    """The way to a machine.

    + address: name or IP address, after the configuration's HostName
    + port: of sshd
    + user: name there
    + key_name: name of the machine in known_hosts
    + known_hosts: files with host keys
    + strict: OpenSSH's StrictHostKeyChecking
    + identities: files of login keys, private or public
    + certificates: files of certificates
    + only_identities: whether other keys of an agent are left out
    + agent: socket of an agent; None without one
    + proxy: command that leads to the machine; empty if nothing is between
    + pkcs11: library of a smart card that ssh(1) would use; empty without one
    """

    address: str
    port: int
    user: str
    key_name: str
    known_hosts: tuple[str, ...]
    strict: str
    identities: tuple[str, ...]
    certificates: tuple[str, ...]
    only_identities: bool
    agent: str | None
    proxy: tuple[str, ...]
    pkcs11: str = ""


def options(data: Mapping[str, Any]) -> list[str]:
    """OpenSSH's command line options for a host.

    + data: of the inventory, with pyinfra's names
    """
    words = ["-F", str(data["ssh_config_file"])] if data.get("ssh_config_file") else []
    for key, option in _OPTIONS.items():
        if value := data.get(key):
            # OpenSSH splits a value at spaces.
            words += ["-o", f'{option}="{value}"' if " " in str(value) else f"{option}={value}"]
    if data.get("ssh_key"):
        # An agent with many keys would use up sshd's attempts (MaxAuthTries) before this one.
        words += ["-o", "IdentitiesOnly=yes"]
    port = str(data.get("ssh_port") or 22)
    return [*words, *(["-p", port] if port != "22" else [])]


def limits(others: Mapping[str, int] = MappingProxyType({})) -> list[str]:
    """The options with which ssh(1) ends when the network is silent.

    + others: other values of these options, by OpenSSH's names
    """
    return [word for option, value in {**_LIMITS, **others}.items() for word in ("-o", f"{option}={value}")]


def read_end(words: str, interval: int = _LIMITS["ServerAliveInterval"]) -> End | None:
    """The end of a connection, as ssh(1) tells it; None if it says nothing of one.

    + words: of ssh itself
    + interval: ServerAliveInterval of the connection, in seconds
    """
    lines = [line.strip() for line in words.splitlines()]
    lines = [line for line in lines if line and not _NO_CONCERN.match(line)]
    if not lines:
        return None
    if _SILENT.search(words):
        return End(made=True, reason=f"it said nothing for {interval * _LIMITS['ServerAliveCountMax']} seconds")
    reason = f"ssh says: {shown(lines[-1].removesuffix('.'))}"
    if _BEFORE.search(words):
        return End(made=False, reason=f"{reason}. {NO_WORD}")
    return End(made=bool(_LOST.search(words)), reason=reason)


def read_way(data: Mapping[str, Any], address: str, environment: Mapping[str, str]) -> Way:
    """What OpenSSH would do to reach a host. Asks `ssh -G`, which connects to nothing; 5 ms.

    + data: of the inventory, with pyinfra's names
    + address: name or address of the host
    + environment: variables of this process

    Raises ConfigurationError.
    """
    command = ["ssh", "-T", "-G", *options(data), address]
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except FileNotFoundError:
        raise ConfigurationError("ssh(1) is missing on this computer: install openssh-client") from None
    except subprocess.TimeoutExpired:
        raise ConfigurationError(
            f"ssh -G {address} does not end: look at Match exec in your SSH configuration"
        ) from None
    if run.returncode != 0:
        raise ConfigurationError(" ".join(run.stderr.split()))
    return way(run.stdout, data, address, environment)


def user_of(data: Mapping[str, Any], address: str) -> str:
    """The user that a connection to a host logs in as: the inventory's, or else the one of OpenSSH's configuration.

    + data: of the inventory, with pyinfra's names
    + address: name or address of the host
    """
    if user := data.get("ssh_user"):
        return str(user)
    try:
        return read_way(data, address, {}).user
    except (ConfigurationError, KeyError):
        return getpass.getuser()


def way(printed: str, data: Mapping[str, Any], name: str, environment: Mapping[str, str]) -> Way:
    """The way that `ssh -G` printed.

    + printed: its output
    + data: of the inventory, with pyinfra's names
    + name: name or address of the host, as ssh got it
    + environment: variables of this process
    """
    said: dict[str, list[str]] = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value)
    one = {key: values[0] for key, values in said.items()}
    port = int(one["port"])
    plain = one["hostname"] if port == 22 else f"[{one['hostname']}]:{port}"
    files = [*_listed(one.get("userknownhostsfile", "")), *_listed(one.get("globalknownhostsfile", ""))]
    agent = one.get("identityagent", "SSH_AUTH_SOCK")
    return Way(
        address=one["hostname"],
        port=port,
        user=one["user"],
        key_name=one.get("hostkeyalias") or plain,
        known_hosts=_paths(files),
        strict=one.get("stricthostkeychecking", "ask"),
        identities=_paths(said.get("identityfile", [])),
        certificates=_paths(said.get("certificatefile", [])),
        only_identities=one.get("identitiesonly") == "yes",
        agent=environment.get("SSH_AUTH_SOCK") if agent == "SSH_AUTH_SOCK" else None if agent == "none" else agent,
        proxy=tuple(_proxy(one, data, name)),
        pkcs11="" if one.get("pkcs11provider", "none") == "none" else one["pkcs11provider"],
    )


def _listed(printed: str) -> list[str]:
    """The files of a list. `ssh -G` quotes none, and has spaces between them and in them: the longest name counts."""
    words, files = printed.split(" "), list[str]()
    while words:
        names = (" ".join(words[:size]) for size in range(len(words), 0, -1))
        name = next((name for name in names if Path(name).expanduser().exists()), words[0])
        files.append(name)
        del words[: name.count(" ") + 1]
    return [file for file in files if file]


def _paths(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(Path(value).expanduser()) for value in values if value != "none")


def _proxy(one: Mapping[str, str], data: Mapping[str, Any], name: str) -> list[str]:
    """The command that stands between, as ssh(1) makes it of ProxyCommand or ProxyJump."""
    address, port = one["hostname"], one["port"]
    if one.get("proxycommand", "none") != "none":
        tokens = {"%%": "%", "%h": address, "%n": name, "%p": port, "%r": one["user"]}
        return ["sh", "-c", f"exec {_filled(one['proxycommand'], tokens)}"]
    if one.get("proxyjump", "none") == "none":
        return []
    *before, last = one["proxyjump"].split(",")
    config = ["-F", str(data["ssh_config_file"])] if data.get("ssh_config_file") else []
    hops = ["-J", ",".join(before)] if before else []
    target = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    jump = last if last.startswith("ssh://") else f"ssh://{last}"
    return ["ssh", "-T", "-o", "BatchMode=yes", *limits(), *config, *hops, "-W", target, jump]


def _filled(command: str, tokens: Mapping[str, str]) -> str:
    pieces = []
    rest = command
    while rest:
        before, percent, rest = rest.partition("%")
        pieces.append(before)
        if percent:
            pieces.append(tokens.get(f"%{rest[:1]}", f"%{rest[:1]}"))
            rest = rest[1:]
    return "".join(pieces)
