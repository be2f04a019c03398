"""A deploy of pyinfra: plan, question, execution, and the message after an interruption."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from commands import plan_text
from commands.options import VERBOSE
from group_data.schema.paths import CHECKOUT
from preflight.options import process_environment

HALF_APPLIED = "Interrupted while applying: the hosts may be half prepared. Run make apply{} again to finish."
HALF_RELEASED = "Interrupted: what has begun on the host ends there on its own, or goes back. See make releases{}."
HALF_BUILT = "Interrupted: what was built before is as it was. A build that had begun ends on its own."
HALF_TOOLCHAIN = (
    "Interrupted: a toolchain that is being built is finished by the host; make toolchain{} follows it again."
)
HALF_WRITTEN = "Interrupted. To finish it, run again: make app-apply APP={app}{}."

# What follows the name of a target in these sentences.
_ENVIRONMENTS = "{}"

# pyinfra as `python -m pyinfra` runs it, but Ctrl-C ends it at once while it is imported: Python would show a traceback.
PYINFRA = (
    "-c",
    "from signal import *; signal(SIGINT, SIG_DFL); from pyinfra_cli.main import main; "
    "from preflight.screen import hide; hide(); main()",
)

# Seconds in which an interrupted pyinfra must end.
PATIENCE = 5


class Interruption(BaseException):
    """A signal ends the command, or has ended pyinfra."""


@contextmanager
def on_interruption(text: str) -> Iterator[None]:
    """Print a sentence and end with 130 if a signal reaches this process, or only pyinfra, within the block.

    + text: sentence about the state after the interruption
    """

    def stop(*_: object) -> None:
        raise Interruption

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    except Interruption:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        click.echo(f"\n{text}", err=True)
        raise click.exceptions.Exit(130) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def naming(sentence: str, environments: Sequence[str]) -> str:
    """The sentence with the variable of make that names environments; without it where a command works on all.

    + sentence: with {} behind the target of make
    + environments: names
    """
    names = " ".join(environments)
    variable = f" ENV='{names}'" if " " in names else f" ENV={names}"
    return sentence.replace(_ENVIRONMENTS, variable if names else "")


@contextmanager
def pinned() -> Iterator[dict[str, str]]:
    """The option of entry points with a private file: the plan writes its choice there, and the execution reads it."""
    with tempfile.TemporaryDirectory() as directory:
        yield {"PLAN": str(Path(directory) / "plan.json")}


@dataclass(frozen=True)
class Deployment:
    """One entry point of pyinfra on some environments.

    + entry: file of the entry point, such as deploy.py
    + half_done: sentence about the state after an interruption; {} stands for the variable ENV
    + limits: names for `--limit`; none means every environment
    + options: options of the entry point, by name
    + inventory: pyinfra's first argument
    + done: sentence after success, such as "Applied to stage"; then come numbers and `comes_next`
    + comes_next: sentence about the command that is right then
    """

    entry: str
    half_done: str
    limits: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    inventory: str = "inventory.py"
    done: str = ""
    comes_next: str = ""

    def plan(self) -> bool:
        """Show the difference. Returns whether there is something to do; ends with 1 without a complete plan."""
        with on_interruption("Interrupted while planning: nothing was changed."), _note() as lost, _note() as note:
            code, output = self._pyinfra("--dry", "--diff", "--json", LOST=str(lost), NOTE=str(note))
            told = lost.exists() or _read(note)["told"]
        try:
            operations = json.loads(output)["plan"] if code == 0 else None
        except (KeyError, TypeError, ValueError):
            operations = None
        if operations is None:
            # Whoever knows the reason has had the last word.
            if not told:
                click.echo("\nThe plan was not finished, for the reason above.", err=True)
            raise click.exceptions.Exit(1)
        lines = plan_text.summary(operations)
        click.echo("\n".join(["", "This would change:", *lines]) if lines else "\nNothing would change.")
        return bool(lines)

    def carry_out(self) -> None:
        """Carry the deploy out, and say what was done. Ends with 1 if pyinfra fails."""
        begin = time.monotonic()
        with on_interruption(naming(self.half_done, self.limits)), _note() as ready, _note() as note:
            code, _ = self._pyinfra("--yes", READY=str(ready), NOTE=str(note))
            noted = _read(note)
            # Before pyinfra has read the inventory, a signal ends it with exit code 0.
            if code == 0 and not ready.exists():
                raise Interruption
        if code != 0:
            raise click.exceptions.Exit(1)
        if self.done:
            steps = {0: "nothing had to be changed", 1: "1 step changed something"}.get(
                noted["changed"], f"{noted['changed']} steps changed something"
            )
            after = (
                f"make update ENV={noted['unreleased'][0]} builds and releases."
                if noted["unreleased"]
                else self.comes_next
            )
            click.echo(f"{self.done}: {steps}, in {time.monotonic() - begin:.0f} s. {after}".rstrip())

    def plan_and_carry_out(self, question: str, *, yes: bool) -> None:
        """Plan, ask, and carry it out. Ends after the plan if there is nothing to do.

        + question: text of the question, without [y/N]
        + yes: whether the answer is yes already
        """
        if self.plan():
            with on_interruption("Interrupted before the answer: nothing was changed."):
                ask(question, yes=yes)
            self.carry_out()

    def _pyinfra(self, *arguments: str, **options: str) -> tuple[int, str]:
        """Exit code and JSON of pyinfra. Raises Interruption if a signal ends this process or pyinfra; both then end."""
        limits = [word for name in self.limits for word in ("--limit", name)]
        command = [sys.executable, *PYINFRA, self.inventory, self.entry, *limits, *arguments]
        quiet = {} if loud() else {"QUIET": "1"}
        variables = process_environment({**self.options, **options, **quiet}) | (
            {} if animated() else {"PYINFRA_PROGRESS": "off"}
        )
        stdout = subprocess.PIPE if "--json" in arguments else None
        with subprocess.Popen(command, cwd=CHECKOUT, env=variables, stdout=stdout, text=True) as pyinfra:
            try:
                output, _ = pyinfra.communicate()
            except BaseException:
                _end(pyinfra)
                raise
        if not 0 <= pyinfra.returncode < 128 or (output or "").startswith("Exiting upon user request"):
            raise Interruption
        return pyinfra.returncode, output or ""


@contextmanager
def _note() -> Iterator[Path]:
    """A file that pyinfra may create to say something to this process."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "note"


def _read(note: Path) -> dict[str, Any]:
    """What pyinfra noted at its end (`preflight/screen.py`)."""
    noted: dict[str, Any] = {"changed": 0, "told": False, "unreleased": []}
    if note.exists():
        noted |= json.loads(note.read_text())
    return noted


def loud() -> bool:
    """Whether somebody wants to see everything that pyinfra says: the command's --verbose."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(VERBOSE))


def animated() -> bool:
    """Whether pyinfra shows an animation during long steps: somebody must see it."""
    return sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _end(process: subprocess.Popen[str]) -> None:
    # A second signal must not leave pyinfra behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def ask(question: str, *, yes: bool) -> None:
    """Go on after a yes. End with 1 after any other answer, and without a terminal.

    + question: text of the question, without [y/N]
    + yes: whether the answer is yes already
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        text = "There is no terminal to ask on: repeat with YES=1 to go ahead without a question."
        click.echo(text, err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not answer:
        click.echo(err=True)
    if answer.strip()[:1] not in ("y", "Y"):
        click.echo("Nothing was changed.", err=True)
        raise click.exceptions.Exit(1)
