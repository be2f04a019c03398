"""The last words of a pyinfra whose connection could not be made or was lost: one sentence, and what to do.

pyinfra's own words of it are hidden: "executed 0 commands", "No hosts remaining!", a traceback. They hide the reason.
"""

import atexit
import logging
from collections.abc import Sequence
from pathlib import Path

import click
from pyinfra import logger

from connectors.loss import Loss, losses
from preflight.options import option

# By the name of the entry point: what is known of a step that had begun, and the command that tells how it ended.
_SWITCH = "If the host had begun, it goes on by itself, to the end or back: make releases{limit} tells how it ended"
_BUILD = "If the build had begun, it goes on by itself: run make build{limit} again, which takes what is built"
_TOOLCHAIN = "If the host had begun, it goes on by itself: run make toolchain{limit} again, which follows it"
_GOES_ON = {
    "deploy.py": "The step may be done or not: run make apply{limit} again, which finishes what is left",
    "destroy.py": "The step may be done or not: run make destroy{limit} again, which removes what is left",
    "release.py": _SWITCH,
    "rollback.py": _SWITCH,
    "restart.py": _SWITCH,
    "migrate.py": _SWITCH,
    "restore.py": _SWITCH,
    "build.py": _BUILD,
    "toolchain.py": _TOOLCHAIN,
    "fetch.py": "The build stays on the host: run the command again",
}

# A host notices a silent network late, and keeps the lock until then.
_LOCK = "If the machine is then still locked by this run: make unlock{limit}"


def announce_at_end() -> None:
    """From now on a lost connection is told once, as the last words of this process. A second call changes nothing.

    Creates the file of the option LOST, if it is set, so that the command that started this process adds nothing.
    """
    context = click.get_current_context(silent=True)
    if context and context.params.get("operations") and not any(isinstance(each, _Quiet) for each in logger.filters):
        logger.addFilter(_Quiet())
        atexit.register(_announce, Path(context.params["operations"][0]).name, list(context.params["limit"]))


def last_words(ends: Sequence[Loss], entry: str, limits: Sequence[str]) -> str:
    """A sentence for each machine, what is known of the step, and what to do.

    + ends: at least one, in their order
    + entry: file name of the entry point
    + limits: names of the run's limits
    """
    said = ". ".join({loss.machine: loss.sentence for loss in reversed(ends)}.values())
    if not any(loss.executing for loss in ends):
        return f"{said}. Nothing was changed."
    limit = f" ENV={limits[0]}" if len(limits) == 1 else ""
    known = _GOES_ON.get(entry, "The step may be done or not: run the command again")
    return ". ".join([said, known.format(limit=limit), _LOCK.format(limit=limit)]) + "."


def _announce(entry: str, limits: list[str]) -> None:
    if not losses:
        return
    click.echo(f"\n{last_words(losses, entry, limits)}", err=True)
    if file := option("LOST"):
        Path(file).touch()


class _Quiet(logging.Filter):
    """Hides what pyinfra logs about a lost connection. Other hosts of the run still finish their step, and are shown."""

    def filter(self, record: logging.LogRecord) -> bool:
        lost = {loss.host for loss in losses}
        text = click.unstyle(record.getMessage())
        if not lost or any(loss.sentence in text for loss in losses):
            return not lost
        host = text.strip().partition("]")[0].removeprefix("[") if text.strip().startswith("[") else None
        return host is not None and host not in lost
