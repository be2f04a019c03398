"""A text that a host runs beside the running node, for as long as this computer waits for it."""

import os
import subprocess
import uuid
from contextlib import suppress
from threading import Event, Thread
from typing import IO

from commands.remote import exit_code, started, targets
from group_data.schema.environment import Environment
from operations.host import program

# Seconds between two signs of life, and seconds without one after which the host stops the unit.
BEAT, PATIENCE = 5, 30

# The word for a line of shell, which no release tool has.
SHELL = "shell"


def run(name: str, text: str, what: str, *, is_shell: bool = False) -> int:
    """Run a text in the sandbox of an application, and show its output. It ends with this process, or with the connection.

    Returns its exit code. Raises ConnectError if the connection could not be made or was lost.

    + name: of the environment
    + text: an expression of Elixir, or a line of shell
    + what: a word for it, in the sentence about a lost connection
    + is_shell: whether it is shell
    """
    [(host, chosen), *_] = targets([name])
    goes_on = f"The host stops the {what} {PATIENCE} seconds after the last sign of life, unless it ended before."
    with started(host, words(chosen, is_shell=is_shell), stdin=subprocess.PIPE) as (process, said):
        ended = Event()
        if stdin := process.stdin:
            Thread(target=_send, args=(stdin, text, ended), daemon=True).start()
        code = process.wait()
        ended.set()
        return exit_code(code, said.read_text(errors="replace"), host, goes_on)


def words(environment: Environment, *, is_shell: bool = False) -> list[str]:
    """The argument list that runs what comes over standard input, in a unit with a name of its own.

    + environment: of the application
    + is_shell: whether it is shell
    """
    unit = f"{environment.task_unit.removesuffix('.service')}-{uuid.uuid4().hex[:8]}.service"
    arguments = program.words(
        "task.sh", environment.unit_path, environment.app_path, environment.release_script,
        SHELL if is_shell else environment.tool.eval, unit, str(environment.task_timeout), str(PATIENCE),
    )  # fmt: skip
    return ["sudo", "-n", *arguments]


def _send(stdin: IO[bytes], text: str, ended: Event) -> None:
    # Past the buffer: what ssh no longer took would fail once more when the buffer is closed.
    with suppress(OSError):
        os.write(stdin.fileno(), os.fsencode(text) + b"\0")
        while not ended.wait(BEAT):
            os.write(stdin.fileno(), b"\n")
