"""The end of an application's process that nobody asked for, as systemd tells it."""

from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host import program

# systemd's words (systemd.exec(5), $SERVICE_RESULT) in ours.
_REASONS = {
    "oom-kill": "it was killed for lack of memory (oom-kill)",
    "exit-code": "it ended with an error (exit-code)",
    "signal": "a signal ended it (signal)",
    "SIGKILL": "it was killed (SIGKILL), by the kernel for lack of memory or by somebody",
    "core-dump": "it crashed (core-dump)",
    "timeout": "it did not start or stop in time (timeout)",
    "watchdog": "it hung (watchdog)",
    "start-limit-hit": "it had ended too often (start-limit-hit)",
    "success": "it ended by itself, without an error",
    "unknown": "the journal does not say why",
}


class End(NamedTuple):
    """How the process last ended.

    + restarts: how often systemd started it anew since somebody last did
    + reason: systemd's word, such as oom-kill, or the signal's name; "unknown" without a journal
    + time: of the end; None without a journal
    """

    restarts: int
    reason: str
    time: datetime | None

    @property
    def may_be_memory(self) -> bool:
        """Whether the kernel may have ended the process for lack of memory."""
        return self.reason in ("oom-kill", "SIGKILL")

    @property
    def sentence(self) -> str:
        """Reason and time, for people."""
        reason = _REASONS.get(self.reason, f"systemd says {self.reason}")
        return reason if self.time is None else f"at {self.time:%Y-%m-%d %H:%M} UTC {reason}"


class UnaskedEnd(FactBase[End | None]):
    """The last end of a unit's process; None if every end was asked for, such as that of a release."""

    @staticmethod
    @override
    def default() -> End | None:
        return None

    @override
    def command(self, unit: str) -> StringCommand:
        return program.command("unasked_end.sh", unit)

    @override
    def process(self, output: list[str]) -> End | None:
        restarts, reason, time = output[0].split()
        return End(int(restarts), reason, None if time == "unknown" else datetime.fromtimestamp(int(time), UTC))
