"""An SSH transport that waits less: it opens the next session in advance, and sends small packets at once.

It also ends by itself when the network is silent.
"""

import socket
import time
from contextlib import suppress
from typing import Any

import paramiko
from gevent import Greenlet, sleep, spawn
from paramiko import Channel, Message, SSHException
from paramiko.common import cMSG_GLOBAL_REQUEST
from typing_extensions import override

from connectors.silence import INTERVAL, Silence, Verdict

# Linux's option of this name; Python has no name for it.
_TCP_THIN_LINEAR_TIMEOUTS = 16

# Exceptions of a connection that breaks or allows no more sessions.
BROKEN = (SSHException, OSError, EOFError)


class Wire:
    """A socket that counts what it receives, and notes its end before anybody else can see it.

    + sock: a socket
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.received = 0
        self.ended = False

    def recv(self, size: int) -> bytes:
        """The next bytes, as those of the socket.

        + size: number of bytes at most
        """
        try:
            received: bytes = self._sock.recv(size)
        except (TimeoutError, BlockingIOError):
            raise
        except OSError:
            self.ended = True
            raise
        self.received += len(received)
        self.ended = not received
        return received

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Transport(paramiko.Transport):
    """paramiko's transport, which opens the next session in advance, so that a command takes one round trip and not two.

    At most one session more than before is open. If sshd refuses it (`MaxSessions`), the transport opens none in advance.
    A host that answers nothing any more ends it: paramiko sends keepalives, and never looks whether one was answered.
    """

    _ahead: "Greenlet[..., Channel | None] | None" = None
    _refused = False

    sock: Any

    # Seconds of silence after which the connection was given up; None if it was not.
    silence: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the connection works no more. paramiko tells waiting commands first that they failed."""
        return self.sock.ended or not self.is_active()

    @override
    def run(self) -> None:
        """The connection's thread, and beside it the look whether the host is there."""
        watch = spawn(self._watch)
        try:
            super().run()
        finally:
            watch.kill(block=False)

    def _watch(self) -> None:
        silence = Silence(self.sock.received, time.monotonic())
        question: Greenlet[..., None] | None = None
        while True:
            sleep(INTERVAL)
            match silence.look(self.sock.received, time.monotonic()):
                case Verdict.ASK if question is None or question.dead:
                    # Beside this greenlet: while the network is silent, sending waits.
                    question = spawn(self._ask)
                case Verdict.DEAD:
                    self.silence = silence.lasts(time.monotonic())
                    self.sock.ended = True
                    # Ends the thread, and whatever waits for the host, as a connection that the host closed.
                    self.packetizer.close()
                    return

    def _ask(self) -> None:
        """Ask for an answer, as OpenSSH's client does. Every server must give one, even if it does not know the question."""
        if not self.is_authenticated():
            return
        question = Message()
        question.add_byte(cMSG_GLOBAL_REQUEST)
        question.add_string("keepalive@openssh.com")
        question.add_boolean(True)
        with suppress(*BROKEN):
            self._send_user_message(question)  # type: ignore[attr-defined]

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

    + sock: a socket; that of a command between has no such option
    + options: of paramiko's Transport
    """
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A question that got lost is sent again after the same short time, and not after twice as long each time (tcp(7)).
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_THIN_LINEAR_TIMEOUTS, 1)
    return Transport(Wire(sock), **options)  # type: ignore[arg-type]
