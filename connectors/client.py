"""A connection to a machine by paramiko, in the way that OpenSSH would go, with an end to every wait."""

import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import paramiko
from paramiko import SFTPAttributes, SFTPClient, SSHException
from paramiko.agent import AgentRequestHandler
from pyinfra.connectors.sshuserclient.client import (
    AcceptNewPolicy,
    StrictPolicy,
    WarningPolicy,
    get_host_keys,
)
from typing_extensions import override

from connectors.frame import ANNOUNCE, SUDO, Framed, announced, skip_noise
from connectors.keys import Login
from connectors.language import spoken
from connectors.login_shell import portable
from connectors.openssh import TIMEOUT, Way, read_way
from connectors.silence import PATIENCE
from connectors.transport import BROKEN, prompt

# Debian's server of files, of the package that openssh-server brings along.
_FILE_SERVER = "/usr/lib/openssh/sftp-server"

# OpenSSH's StrictHostKeyChecking, as `ssh -G` prints it. Any other value would ask, and nobody is there to answer.
_POLICIES = {"accept-new": AcceptNewPolicy, "false": WarningPolicy, "no": WarningPolicy, "off": WarningPolicy}

# Bytes of a file that is fetched. A host could say any size, and send without an end.
FILE_LIMIT = 4 * 1024**3
_TOO_LARGE = f"the host hands over a file of more than {FILE_LIMIT // 1024**3} GiB: that is none of ours"


class ProxyError(SSHException):
    """A command between this computer and the machine that ended."""


@cache
def hide_prefetch() -> None:
    """From now on a thread that asks ahead for a file ends in silence when the connection does.

    Who reads the file gets the error, too. Python would show a traceback of the thread.
    """
    show = threading.excepthook

    def hook(end: threading.ExceptHookArgs) -> None:
        ahead = end.thread is not None and "_prefetch_thread" in end.thread.name
        if not (ahead and issubclass(end.exc_type, BROKEN)):
            show(end)

    threading.excepthook = hook


class _Bounded:
    """A file that takes so many bytes and no more.

    + file: to write to
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = FILE_LIMIT

    def write(self, data: bytes) -> None:
        """Write, or raise OSError."""
        self._left -= len(data)
        if self._left < 0:
            raise OSError(_TOO_LARGE)
        self._file.write(data)


class Files(SFTPClient):
    """paramiko's session for files, which fetches no file without an end."""

    @override
    def stat(self, path: bytes | str) -> SFTPAttributes:
        """As paramiko does. Raises OSError for a size that paramiko would prepare for, and that nothing here has."""
        said = super().stat(path)
        if (said.st_size or 0) > FILE_LIMIT:
            raise OSError(_TOO_LARGE)
        return said

    @override
    def getfo(self, remotepath: bytes | str, fl: Any, *arguments: Any, **keywords: Any) -> int:
        """As paramiko does. Raises OSError for a file that goes on."""
        return super().getfo(remotepath, _Bounded(fl), *arguments, **keywords)  # type: ignore[arg-type]


class Client(paramiko.SSHClient):
    """paramiko's client, which goes the way that OpenSSH's configuration says.

    + data: of the inventory, with pyinfra's names
    + address: name or address of the machine
    """

    def __init__(self, data: Mapping[str, Any], address: str) -> None:
        super().__init__()
        self.data = data
        self.way: Way = read_way(data, address, os.environ)
        self.login = Login(self.way, data.get("ssh_password"))
        # Whether a .bashrc or the like prints before every command; None as long as nobody saw one.
        self.noisy: bool | None = None
        # The last line of a login shell that ran no command.
        self.said_instead = ""
        self._proxy: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Connect and log in. Raises SSHException, OSError and EOFError."""
        way = self.way
        self.set_missing_host_key_policy(_POLICIES.get(way.strict, StrictPolicy)())
        # Read once for all hosts.
        self._host_keys = get_host_keys(tuple(file for file in way.known_hosts if os.path.exists(file)))  # noqa: PTH110
        self._host_keys_filename = next(iter(way.known_hosts), None)
        sock, errors = self._socket()
        try:
            # The name stands for the key alone: paramiko would add a port to it.
            self.connect(
                way.key_name, sock=sock, auth_strategy=self.login, transport_factory=prompt, timeout=PATIENCE,  # type: ignore[arg-type]
                **(self.data.get("ssh_paramiko_connect_kwargs") or {}),
            )  # fmt: skip
        except (SSHException, EOFError) as error:
            if errors and (said := _last_line(errors)):
                raise ProxyError(said) from error
            raise
        if self.data.get("ssh_forward_agent") and (transport := self.get_transport()):
            AgentRequestHandler(transport.open_session())

    def exec_plain(self, command: str) -> tuple[Any, Any, Any]:
        """Start a command whose words begin with whatever the login shell prints.

        + command: line for a login shell
        """
        return super().exec_command(command)

    @override
    def exec_command(self, command: str, *arguments: Any, **keywords: Any) -> tuple[Any, Any, Any]:
        """Start a command. Its outputs, as lines, are its own alone.

        + command: line for a login shell
        """
        line = portable(f"{SUDO}{command}" if self.way.user == "root" else spoken(command))
        marked = self.noisy is not False
        stdin, stdout, stderr = super().exec_command(announced(line) if marked else line, *arguments, **keywords)
        channel = stdout.channel
        out, err = (
            Framed(output, receive, marked=marked, found=self._hear, mute=self._note, end=channel.close)
            for output, receive in ((stdout, channel.recv), (stderr, channel.recv_stderr))
        )
        return stdin, out, err

    def _hear(self, noise: bool) -> None:
        # Each output has its own; one that is quiet says nothing about the other.
        self.noisy = self.noisy or noise or None

    def _note(self, line: str) -> None:
        self.said_instead = line or self.said_instead

    def files(self) -> SFTPClient | None:
        """A session for files. Raises SSHException."""
        hide_prefetch()
        transport = self.get_transport()
        if not self.noisy or not transport:
            return Files.from_transport(transport)  # type: ignore[arg-type]
        # sshd starts its own server of files in the login shell too, and what that prints is no SFTP.
        channel = transport.open_session()
        channel.exec_command(f'sh -c "{ANNOUNCE}; exec {_FILE_SERVER}"')
        if not skip_noise(lambda: channel.recv(1)):
            raise SSHException("the session for files broke")
        return Files(channel)

    def close(self) -> None:
        """End the connection, and what stands between."""
        super().close()
        if self._proxy:
            self._proxy.kill()
            self._proxy.wait()

    def _socket(self) -> tuple[socket.socket, Any]:
        """A socket that leads to the machine, and the file with the words of the command between, if there is one."""
        if not self.way.proxy:
            return socket.create_connection((self.way.address, self.way.port), timeout=TIMEOUT), None
        ours, theirs = socket.socketpair()
        errors = tempfile.TemporaryFile()  # noqa: SIM115  read after the command has ended
        with theirs:
            self._proxy = subprocess.Popen(self.way.proxy, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=errors)
        return ours, errors


def _last_line(errors: Any) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
