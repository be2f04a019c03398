"""An SSH transport that waits less: a session is open before it is asked for, and small packets leave at once.

And what it raises when it breaks, in the words pyinfra expects.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko
from gevent import Greenlet, spawn
from paramiko import Channel, SSHException
from typing_extensions import override

# What a connection raises that breaks, or allows nothing more. It shows in pyinfra's words when a command is to be run.
BROKEN = (SSHException, OSError, EOFError)


@contextmanager
def breaking() -> Iterator[None]:
    """A connection that breaks in the block raises SSHException, which pyinfra tells the operator as the host's error.

    paramiko raises EOFError where it was about to send, and pyinfra takes that for a fault of its own.
    """
    try:
        yield
    except EOFError as error:
        raise SSHException("the connection broke") from error


class Transport(paramiko.Transport):
    """paramiko's, which opens the next session while one is used: over a distance a command takes one round trip, not two.

    As many sessions as before and one more are open at most. Where sshd refuses that one (`MaxSessions`), there is no other.
    """

    _ahead: "Greenlet[..., Channel | None] | None" = None
    _refused = False

    @override
    def open_session(
        self, window_size: int | None = None, max_packet_size: int | None = None, timeout: float | None = None
    ) -> Channel:
        """The session that was opened ahead, if there is one that is still open, else a new one. Raises SSHException."""
        if window_size or max_packet_size:
            return super().open_session(window_size, max_packet_size, timeout)
        ahead, self._ahead = self._ahead, None
        # A greenlet that has ended is false.
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
    """A transport that does not hold small packets back for more: the other side's acknowledgement can take 40 ms.

    paramiko leaves Nagle's algorithm on.

    + sock: what a proxy or a jump host gives in its place has no such thing
    + options: of paramiko's Transport
    """
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Transport(sock, **options)
