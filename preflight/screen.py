"""What a person sees of a pyinfra that a command started: what changes, what takes long, and the reason of a failure, last.

pyinfra tells of every step on every host, changed or not, and shows a table of all of them at the end. With the option QUIET
its lines are hidden, and its callbacks tell of the steps that count. The hosts' own words stay: those of `host.log`, and
the output of programs as it comes.
"""

import atexit
import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from gevent import Greenlet, sleep, spawn
from pyinfra import logger, state
from pyinfra.api import Host, State, output
from pyinfra.api.state import BaseStateCallback
from pyinfra.api.util import PYINFRA_INSTALL_DIR

from connectors.loss import losses
from preflight.options import option
from preflight.own_computer import without_wrapping

# Seconds after which a step that still works is named.
PATIENCE = 4

# Lines of a failed command that are shown, the last ones.
LINES = 40

# pyinfra's functions whose lines are words of a host, or about it.
_OF_HOSTS = ("log", "log_styled")

# pyinfra's format of a line of a difference, and its words before those of a new file.
_OF_DIFFERENCE, _CREATES = "  %s", "Will create "

# Beginning of the line with which pyinfra's command line ends: the kind of error, and where in the code it was raised.
_BEGINNING = re.compile(r"^--> [\w ]*error(?: in .* line \d+)?: ")

# Words of pyinfra about its own run. The reason stands elsewhere.
_OWN_RUN = re.compile(
    r"No hosts remaining|Over \d+% of hosts failed|Error: executed|could not load fact", re.IGNORECASE
)

# Short names of environments in this run that have no release yet.
unreleased: list[str] = []


class Screen(logging.Filter, BaseStateCallback):
    """Hides pyinfra's own lines, and shows the steps that change something.

    + show: prints a line
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show
        self._slow: Greenlet[..., None] | None = None
        self._begin = time.monotonic()
        # Whether it is told of programs' output, and shows its reasons at the end.
        self.follows_output = False
        # Whether the content of new files is shown in a difference, and whether the lines of one are being told.
        self.shows_new_files = False
        self._creates = False
        # Number of steps that changed something.
        self.changed = 0
        # Lines about a failure; they wait for the end.
        self.reasons: list[str] = []
        # pyinfra's words about its own run: better than none.
        self.other_words: list[str] = []
        # Whether something failed, and whether a program's own output told why.
        self.failed = False
        self.told = False

    # --- pyinfra's lines -------------------------------------------------------------------------------------------------

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is shown as pyinfra means it."""
        foreign = "pyinfra" in Path(record.pathname).parts or record.pathname.startswith(PYINFRA_INSTALL_DIR)
        about_host = record.funcName in _OF_HOSTS
        if record.levelno == logging.INFO and (about_host or record.msg == _OF_DIFFERENCE):
            return self._is_worth_reading(record, about_host=about_host)
        if record.levelno <= logging.DEBUG or (not foreign and record.levelno < logging.ERROR):
            return True
        if record.levelno == logging.INFO:
            return False
        text = click.unstyle(record.getMessage())
        if record.levelno == logging.WARNING and record.funcName != "show":
            return True
        text = without_wrapping(_BEGINNING.sub("", text))
        words = self.other_words if _OWN_RUN.search(text) else self.reasons
        if text not in words:
            words.append(text)
        self.failed = True
        return False

    def _is_worth_reading(self, record: logging.LogRecord, *, about_host: bool) -> bool:
        """Whether a line about a host, or of a difference, is shown: the content of a new file is not."""
        if about_host:
            self._creates = _CREATES in click.unstyle(record.getMessage())
        return about_host or self.shows_new_files or not self._creates

    def echo(self, message: Any = None, **keywords: Any) -> None:
        """Show output of a program as it comes."""
        self.told = True
        click.echo(message, **keywords)

    # --- Steps -----------------------------------------------------------------------------------------------------------

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        """Name the step if it takes long."""
        self.told, self._begin = False, time.monotonic()
        self._slow = spawn(self._name_later, _name(state, op_hash))

    def operation_host_error(self, state: State, host: Host, op_hash: str, *_: int) -> None:  # type: ignore[override]
        """Remember the step that failed."""
        self.failed = True
        if self.reasons:
            self.reasons.insert(0, f"{_name(state, op_hash)} failed on {host.name}:")

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        """Show the step if it changed something."""
        if self._slow:
            self._slow.kill()
        metas = {host.name: ops[op_hash].operation_meta for host, ops in state.ops.items() if op_hash in ops}
        changed = sorted(
            name for name, meta in metas.items() if meta.did_succeed(_raise_if_not_complete=False) and meta.did_change()
        )
        if changed:
            self.changed += 1
            seconds = time.monotonic() - self._begin
            took = f", {seconds:.0f} s" if seconds >= PATIENCE else ""
            self._show(f"  {_name(state, op_hash)}: {', '.join(changed)}{took}")

    def _name_later(self, name: str) -> None:
        sleep(PATIENCE)
        self._show(f"  {name} …")

    # --- The end ---------------------------------------------------------------------------------------------------------

    def last_words(self) -> list[str]:
        """The reason of a failure, in lines; none without one, or where the hosts' own output told it."""
        words = self.reasons or ([] if self.told else self.other_words)
        return words[:1] + words[1:][-LINES:]

    def end(self) -> None:
        """Show the reason of a failure, and tell the command that started this process what was done."""
        if not losses:
            for line in self.last_words():
                click.secho(line, fg="red", err=True)
        if note := option("NOTE"):
            told = bool(losses or self.failed)
            Path(note).write_text(json.dumps({"changed": self.changed, "told": told, "unreleased": unreleased}))


def hide() -> Screen | None:
    """From now on pyinfra's own lines are hidden, if the option QUIET is set. A second call changes nothing."""
    if not option("QUIET"):
        return None
    for each in logger.filters:
        if isinstance(each, Screen):
            return each
    screen = Screen(lambda line: click.echo(line, err=True))
    logger.addFilter(screen)
    return screen


def quieten() -> None:
    """`hide`, and the reason of a failure is shown when the process ends. A second call changes nothing."""
    screen = hide()
    if screen and not screen.follows_output:
        screen.follows_output = True
        output.set_echo(screen.echo)
        atexit.register(screen.end)


def follow_steps(*, shows_new_files: bool = False) -> None:
    """From now on the steps that count are shown, with the option QUIET. pyinfra takes callbacks once it has an inventory.

    A second call changes nothing.

    + shows_new_files: whether a plan shows the content of files that it creates
    """
    if (screen := hide()) and screen not in state.callback_handlers:
        screen.shows_new_files = shows_new_files
        state.add_callback_handler(screen)


def _name(state: State, op_hash: str) -> str:
    return next(iter(state.get_op_meta(op_hash).names))
