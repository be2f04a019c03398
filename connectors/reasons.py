"""Why there is no connection, in words that name the way out."""

import socket
from pathlib import Path

from gevent import Timeout
from paramiko import AuthenticationException, BadHostKeyException, HostKeys

from connectors.client import Client, ProxyError
from connectors.keys import unusable
from connectors.openssh import NO_WORD, TIMEOUT, Way
from connectors.silence import PATIENCE


def reason(error: BaseException, client: Client) -> str:
    """A clause without a full stop.

    + error: of the attempt
    + client: that made it
    """
    way = client.way
    match error:
        case Timeout():
            return f"it did not answer within {PATIENCE} seconds"
        case BadHostKeyException():
            return changed_key(way)
        case AuthenticationException():
            # paramiko's words where sshd hung up: a key that is refused leaves the connection.
            hung_up = "transport shut down" in str(error)
            return ended_login(way) if hung_up and client.login.tried else refused_login(way, client.login.tried)
        case ProxyError():
            return f"the way there ended: {error}"
        case socket.gaierror():
            return f"the name {way.address} is not known: {error.strerror}"
        case ConnectionRefusedError():
            return f"port {way.port} refuses connections: sshd does not run there, or has another port"
        case TimeoutError():
            return f"port {way.port} did not answer within {TIMEOUT} seconds: it is off, or a firewall drops the connection"
        case OSError() if error.strerror:
            return error.strerror
    if str(error).startswith("StrictPolicy"):
        return (
            f"known_hosts has no key of {way.key_name}. Log in once with ssh, compare the fingerprint, and add the key to "
            f"{_files(way)}"
        )
    if "banner" in str(error) or isinstance(error, EOFError):
        return f"port {way.port} accepts connections, and {NO_WORD}"
    return str(error) or type(error).__name__


def changed_key(way: Way) -> str:
    """The reason where a machine shows another key than the known one.

    + way: to the machine
    """
    file = next((file for file in way.known_hosts if _has(file, way.key_name)), _files(way))
    return (
        f"its host key is not the one in {file}. Somebody may be between you and it. If it was installed anew, remove the "
        f"old key: ssh-keygen -R '{way.key_name}' -f {file}"
    )


def ended_login(way: Way) -> str:
    """The reason where sshd ended the connection during the login, instead of refusing a key.

    + way: to the machine
    """
    return (
        f"sshd ended the connection while {way.user} logged in: /etc/nologin on the machine keeps everybody but root out, "
        "the account has expired, or more keys were offered than sshd allows (MaxAuthTries). journalctl -u ssh there tells"
    )


def refused_login(way: Way, tried: list[str]) -> str:
    """The reason where no key was accepted.

    + way: to the machine
    + tried: names of the keys
    """
    left = [f"{path} {why}" for path in way.identities if (why := unusable(path))]
    if way.pkcs11:
        left.append(
            f"{way.pkcs11} (PKCS11Provider) is one that ssh and an agent alone can use (ssh-add -s {way.pkcs11})"
        )
    others = f". {', '.join(left)}: load it into an ssh agent (ssh-add)" if left else ""
    if not tried:
        return (
            f"there is no key to log in with as {way.user}: load it into an ssh agent (ssh-add), as a key with a "
            f"passphrase or of a security token needs, or name its file in SSH_IDENTITY_FILE{others}"
        )
    names = ", ".join(tried)
    return f"{way.user} gets in with none of these keys: {names}. Add one to ~{way.user}/.ssh/authorized_keys there{others}"


def _files(way: Way) -> str:
    return next(iter(way.known_hosts), "known_hosts")


def _has(file: str, name: str) -> bool:
    return Path(file).exists() and HostKeys(file).lookup(name) is not None
