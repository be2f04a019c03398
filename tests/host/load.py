"""Clients with many requests, which note each that failed and how long each took, and one with a websocket."""

import contextlib
import http.client
import itertools
import socket
import statistics
import subprocess
import threading
import time
from typing import NamedTuple

from tests.host.releases import NAMES
from tests.host.web import tls_connect

TIMEOUT = 30

# One line for each request: status, protocol, seconds, and words about a failure.
_WORDS = "%{http_code} %{http_version} %{time_total} %{errormsg}\n"


class Answer(NamedTuple):
    """One request.

    + began: by time.monotonic()
    + seconds: until its answer
    + what: method and path
    + trouble: status, or the exception; empty for 200
    + text: first line of the answer
    """

    began: float
    seconds: float
    what: str
    trouble: str
    text: str


class Load:
    """Requests to stage without a pause, until the block ends: GET and POST, over new connections and over kept ones.

    + address: of the machine
    + workers: of each kind
    + slow: milliseconds that further requests are in flight, one after the other; 0: none
    + tls: whether they come by TLS, and further ones by HTTP/2
    """

    def __init__(self, address: str, workers: int = 2, slow: int = 0, *, tls: bool = False) -> None:
        self._address = address
        self._tls = tls
        self._stop = threading.Event()
        self.answers: list[Answer] = []
        kinds = itertools.product(("GET", "POST"), (True, False))
        self._threads = [
            threading.Thread(target=self._ask, args=(method, "/", keep))
            for method, keep in kinds
            for _ in range(workers)
        ]
        if slow:
            self._threads += [
                threading.Thread(target=self._ask, args=(method, f"/slow/{slow}", False)) for method in ("GET", "POST")
            ]
        if tls:
            self._threads += [threading.Thread(target=self._ask_http2, args=(method,)) for method in ("GET", "POST")]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[Answer]:
        """Those without an answer of the application."""
        return [answer for answer in self.answers if answer.trouble]

    @property
    def longest(self) -> float:
        """Seconds of the slowest answer that was not meant to be slow."""
        return max(self._seconds())

    @property
    def median(self) -> float:
        """Seconds of an answer that was not meant to be slow."""
        return statistics.median(self._seconds())

    def _seconds(self) -> list[float]:
        return [answer.seconds for answer in self.answers if "/slow" not in answer.what]

    def _ask(self, method: str, path: str, keep: bool) -> None:
        connection = None
        while not self._stop.is_set():
            began, text = time.monotonic(), ""
            try:
                connection = connection or self._connection()
                body = "x" * 1000 if method == "POST" else None
                connection.request(method, path, body=body, headers={"Host": NAMES["stage"]})
                response = connection.getresponse()
                text = response.read().decode().partition("\n")[0]
                trouble = "" if response.status == 200 else str(response.status)
                if not keep or response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                trouble, connection = repr(error), None
            kind = f"{method} {path}{' kept' if keep else ''}"
            self.answers.append(Answer(began, time.monotonic() - began, kind, trouble, text))
            time.sleep(0.02)

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT)
        if self._tls:
            connection.sock = tls_connect(self._address, NAMES["stage"])
        return connection

    def _ask_http2(self, method: str) -> None:
        """One connection as long as the server keeps it."""
        name = NAMES["stage"]
        body = ["--data", "x" * 1000] if method == "POST" else []
        command = ["curl", "--silent", "--insecure", "--http2", "--noproxy", "*", "--resolve", f"{name}:443:{self._address}",
                   "--rate", "40/s", "--max-time", str(TIMEOUT), "--output", "/dev/null", "--write-out", _WORDS, *body,
                   f"https://{name}/?[1-1000000]"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
            ended = threading.Thread(target=self._end, args=(curl,))
            ended.start()
            for line in curl.stdout or ():
                status, protocol, seconds, trouble = line.rstrip("\n").split(" ", 3)
                if self._stop.is_set():
                    break
                if (status, protocol) != ("200", "2"):
                    trouble = f"{status} by HTTP/{protocol} {trouble}"
                began = time.monotonic() - float(seconds)
                self.answers.append(Answer(began, float(seconds), f"{method} / by HTTP/2", trouble, ""))
            curl.kill()
            ended.join()
        if not self._stop.is_set():
            self.answers.append(Answer(time.monotonic(), 0, f"{method} / by HTTP/2", "curl ended", ""))

    def _end(self, curl: "subprocess.Popen[str]") -> None:
        while curl.poll() is None and not self._stop.wait(0.5):
            pass
        with contextlib.suppress(ProcessLookupError):
            curl.kill()


class Websocket:
    """A websocket of stage that opens again as soon as it ends, until the block ends.

    + address: of the machine
    + tls: whether it comes by TLS
    """

    def __init__(self, address: str, *, tls: bool = False) -> None:
        self._address = address
        self._tls = tls
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self.opened = 0
        self.gap = 0.0

    def __enter__(self) -> "Websocket":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _hold(self) -> None:
        ended = time.monotonic()
        while not self._stop.is_set():
            with contextlib.suppress(OSError), self._connection() as connection:
                if self._opens(connection):
                    self.gap = max(self.gap, time.monotonic() - ended)
                    self.opened += 1
                    self._wait_for_end(connection)
                    ended = time.monotonic()
            self._stop.wait(0.05)

    def _connection(self) -> socket.socket:
        if self._tls:
            return tls_connect(self._address, NAMES["stage"])
        return socket.create_connection((self._address, 80), timeout=TIMEOUT)

    def _opens(self, connection: socket.socket) -> bool:
        lines = ["GET /socket/websocket HTTP/1.1", f"Host: {NAMES['stage']}", "Connection: Upgrade", "Upgrade: websocket",
                 "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip
        connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        return connection.recv(1000).startswith(b"HTTP/1.1 101 ")

    def _wait_for_end(self, connection: socket.socket) -> None:
        connection.settimeout(0.5)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1000):
                    return
