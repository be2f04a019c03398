"""An SSH transport that waits less: it opens the next session in advance, and sends small packets at once.

It also raises the exceptions that pyinfra expects from a broken connection.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko
from gevent import Greenlet, spawn
from paramiko import Channel, SSHException
from typing_extensions import override

# Exceptions of a connection that breaks or allows no more sessions. The next command then fails with pyinfra's message.
BROKEN = (SSHException, OSError, EOFError)


@contextmanager
def breaking() -> Iterator[None]:
    """A connection that breaks in the block raises SSHException, which pyinfra reports as an error of the host.

    paramiko raises EOFError if it was about to send, and pyinfra would report that as a bug of its own.
    """
    try:
        yield
    except EOFError as error:
        raise SSHException("the connection broke") from error


class Transport(paramiko.Transport):
    """paramiko's transport, which opens the next session in advance, so that a command takes one round trip and not two.

    At most one session more than before is open. If sshd refuses it (`MaxSessions`), the transport opens none in advance.
    """

    _ahead: "Greenlet[..., Channel | None] | None" = None
    _refused = False

    @override
    def open_session(
        self, window_size: int | None = None, max_packet_size: int | None = None, timeout: float | None = None
    ) -> Channel:
        """The session opened in advance if it is still open, else a new one. Raises SSHException."""
        if window_size or max_packet_size:
            return super().open_session(window_size, max_packet_size, timeout)
        ahead, self._ahead = self._ahead, None
        # A finished greenlet is false, so it is compared with None.
        session = ahead.get() if ahead is not None else None
        if session is None or session.closed:
            session = super().open_session(timeout=timeout)
        if self._ahead is None and not self._refused:
            self._ahead = spawn(self._open_ahead)
        return session

    def _open_ahead(self) -> Channel | None:
        try:
            return super().open_session()
        except BROKEN:
            self._refused = True
            return None


def prompt(sock: socket.socket, **options: Any) -> Transport:
    """A transport without Nagle's algorithm, which paramiko leaves on.

    The algorithm holds a small packet back until the other side acknowledges the one before, which can take 40 ms.

    + sock: a socket, or the channel of a proxy or jump host, which has no such option
    + options: of paramiko's Transport
    """
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(sock, **options)
