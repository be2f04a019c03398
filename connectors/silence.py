"""Decides when a connection that says nothing is dead. Knows neither gevent nor paramiko.

TCP alone may wait for hours: a peer that is gone answers nothing, and only data without an acknowledgement ends by itself,
after 15 minutes. A command may also be silent for as long as it works. So the peer is asked now and then, over the same
connection, whether it is there, as OpenSSH does with ServerAliveInterval.
"""

from enum import Enum

# Seconds between two looks at the connection.
INTERVAL = 10

# Looks in a row without anything new after which the peer is dead: 40 to 50 seconds after its last word. Looks are counted,
# and not seconds: a process that was stopped or busy did not ask.
LIMIT = 4

# Seconds in which a connection must be made, with name, banner, keys and login. A key of an agent may wait for a touch.
PATIENCE = 45


class Verdict(Enum):
    """What to do after a look at a connection."""

    WAIT = "wait"
    ASK = "ask"
    DEAD = "dead"


class Silence:
    """How long a peer has been silent.

    + received: bytes received so far
    + now: time of the monotonic clock, in seconds
    """

    def __init__(self, received: int = 0, now: float = 0.0) -> None:
        self._received = received
        self._since = now
        self._looks = 0

    def look(self, received: int, now: float) -> Verdict:
        """The next step, every INTERVAL seconds.

        + received: bytes received so far
        + now: time of the monotonic clock, in seconds
        """
        if received != self._received:
            self._received, self._since, self._looks = received, now, 0
            return Verdict.WAIT
        self._looks += 1
        return Verdict.DEAD if self._looks >= LIMIT else Verdict.ASK

    def lasts(self, now: float) -> int:
        """Seconds without a word.

        + now: time of the monotonic clock, in seconds
        """
        return round(now - self._since)
