"""A client with many requests: it notes each that failed, and how long each took."""

import http.client
import itertools
import threading
import time
from typing import NamedTuple

from tests.host.releases import NAMES

TIMEOUT = 30


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
    """

    def __init__(self, address: str, workers: int = 2, slow: int = 0) -> None:
        self._address = address
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
        return max(answer.seconds for answer in self.answers if "/slow" not in answer.what)

    def _ask(self, method: str, path: str, keep: bool) -> None:
        connection = None
        while not self._stop.is_set():
            began, text = time.monotonic(), ""
            try:
                connection = connection or http.client.HTTPConnection(self._address, timeout=TIMEOUT)
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
