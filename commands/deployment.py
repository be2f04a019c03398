"""A deploy of pyinfra: its plan, the question, carrying it out, and what an interruption leaves."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from commands import plan_text
from group_data.schema.paths import CHECKOUT
from preflight.options import process_environment

HALF_APPLIED = "Interrupted while applying: the hosts may be half prepared. Run make apply again to finish."
HALF_RELEASED = "Interrupted: what has begun on the host ends there on its own, or goes back. See make releases."
HALF_BUILT = "Interrupted: what was built before is as it was. A build that had begun ends on its own."
HALF_WRITTEN = "Interrupted: run make app-apply again to finish."

# Seconds an interrupted pyinfra has to end.
PATIENCE = 5


class Interruption(BaseException):
    """A signal that ends the command, or that ended pyinfra."""


@contextmanager
def on_interruption(text: str) -> Iterator[None]:
    """Say a sentence and end with 130 when a signal reaches this process, or pyinfra alone, within the block.

    + text: what the interruption leaves
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


@contextmanager
def pinned() -> Iterator[dict[str, str]]:
    """The option of entry points that names a private file, in which the plan's choice waits to be carried out."""
    with tempfile.TemporaryDirectory() as directory:
        yield {"PLAN": str(Path(directory) / "plan.json")}


@dataclass(frozen=True)
class Deployment:
    """One entry point of pyinfra on some environments.

    + entry: its file, such as deploy.py
    + half_done: what an interruption leaves, as a sentence
    + limits: names for `--limit`; none means every environment
    + options: of the entry point, by name
    + inventory: as pyinfra takes it
    """

    entry: str
    half_done: str
    limits: Sequence[str] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    inventory: str = "inventory.py"

    def plan(self) -> bool:
        """Show the difference. Returns whether there is something to do; ends with 1 without a complete plan."""
        with on_interruption("Interrupted while planning: nothing was changed."):
            code, output = self._pyinfra("--dry", "--diff", "--json")
        try:
            operations = json.loads(output)["plan"] if code == 0 else None
        except ValueError:
            operations = None
        if operations is None:
            click.echo("\nThe plan was not finished, for the reason above. Nothing was changed.", err=True)
            raise click.exceptions.Exit(1)
        lines = plan_text.summary(operations)
        click.echo("\n".join(["", "This would change:", *lines]) if lines else "\nNothing would change.")
        return bool(lines)

    def carry_out(self) -> None:
        """Do it. Ends with 1 when pyinfra fails."""
        with on_interruption(self.half_done), tempfile.TemporaryDirectory() as directory:
            ready = Path(directory) / "ready"
            code, _ = self._pyinfra("--yes", READY=str(ready))
            # Until pyinfra has read the inventory it takes a signal for its end, with exit code 0.
            if code == 0 and not ready.exists():
                raise Interruption
        if code != 0:
            raise click.exceptions.Exit(1)

    def plan_and_carry_out(self, question: str, *, yes: bool) -> None:
        """Plan, ask, and do it; nothing of the last two if there is nothing to do.

        + question: without what may be answered
        + yes: whether it is answered already
        """
        if self.plan():
            with on_interruption("Interrupted before the answer: nothing was changed."):
                ask(question, yes=yes)
            self.carry_out()

    def _pyinfra(self, *arguments: str, **options: str) -> tuple[int, str]:
        """Exit code and JSON; raises Interruption, with pyinfra ended, when a signal ended either."""
        limits = [word for name in self.limits for word in ("--limit", name)]
        command = [sys.executable, "-m", "pyinfra", self.inventory, self.entry, *limits, *arguments]
        variables = process_environment({**self.options, **options}) | (
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


def animated() -> bool:
    """Whether somebody sees that a long step goes on: pyinfra turns a wheel then."""
    return sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def ask(question: str, *, yes: bool) -> None:
    """Go on after a yes; end with 1 after anything else, and where nobody can answer.

    + question: without what may be answered
    + yes: whether it is answered already
    """
    if yes:
        return
    if not sys.stdin.isatty():
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
