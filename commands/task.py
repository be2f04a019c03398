"""Evaluate an Elixir expression beside the running node.

It runs in a VM of its own, which gets the variables, the sandbox and the limits of the application, and ends after
task_timeout. The application is loaded, and not started. The expression ends with this command: Ctrl-C and a lost
connection stop it on the host.

Local users of the host can read the expression in the process list: write no secret into it. No log has it.

Exit code: that of the VM. 1: also if it cannot run there or the connection is lost, and standard error says why.
"""

import os
import subprocess
import uuid
from contextlib import suppress
from threading import Event, Thread
from typing import IO

import click

from commands import options
from commands.remote import exit_code, started, targets
from group_data.schema.environment import Environment
from operations.host import program

# Seconds between two signs of life, and seconds without one after which the host stops the expression.
BEAT, PATIENCE = 5, 30


@options.command(__doc__)
@options.environment
@click.argument("expression", metavar="EXPR", required=False)
@click.pass_context
def command(ctx: click.Context, environment: str, expression: str | None) -> int:
    """Evaluate the expression and wait for it."""
    if not expression:
        raise click.UsageError("Say what to run: make task ENV=stage EXPR='IO.puts(1 + 1)'", ctx)
    [(host, chosen), *_] = targets([environment])
    goes_on = f"The host stops the expression {PATIENCE} seconds after the last sign of life, unless it ended before."
    with started(host, words(chosen), stdin=subprocess.PIPE) as (run, said):
        ended = Event()
        if stdin := run.stdin:
            Thread(target=_send, args=(stdin, expression, ended), daemon=True).start()
        code = run.wait()
        ended.set()
        return exit_code(code, said.read_text(errors="replace"), host, goes_on)


def words(environment: Environment) -> list[str]:
    """The argument list that evaluates what comes over standard input, in a unit with a name of its own.

    + environment: of the application
    """
    unit = f"{environment.task_unit.removesuffix('.service')}-{uuid.uuid4().hex[:8]}.service"
    arguments = program.words(
        "task.sh", environment.unit_path, environment.app_path, environment.release_script, environment.tool.eval, unit,
        str(environment.task_timeout), str(PATIENCE),
    )  # fmt: skip
    return ["sudo", "-n", *arguments]


def _send(stdin: IO[bytes], expression: str, ended: Event) -> None:
    # Past the buffer: what ssh no longer took would fail once more when the buffer is closed.
    with suppress(OSError):
        os.write(stdin.fileno(), expression.encode() + b"\0")
        while not ended.wait(BEAT):
            os.write(stdin.fileno(), b"\n")


if __name__ == "__main__":
    command()
