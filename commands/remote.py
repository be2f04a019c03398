"""Commands on an environment's host over ssh(1), and the sentence when the connection is lost."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from pyinfra.api import Host
from pyinfra.api.exceptions import ConnectError, PyinfraError

from connectors import frame, openssh
from connectors.terminal import LONGEST, copy, shown
from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of
from inspection.ask import address
from operations.host import program
from operations.host.ssh import run_ssh, ssh
from preflight.access import refusal
from preflight.selection import select_committed

# Seconds for an answer.
_PATIENCE = 60


def targets(names: Sequence[str]) -> list[tuple[Host, Environment]]:
    """Inventory hosts with their environments.

    + names: names of environments; none means all
    """
    _, environments, hosts = select_committed(names)
    return [(host, environments[host.name]) for host in hosts]


@contextmanager
def started(
    host: Host, command: Sequence[str], *, terminal: bool = False, stdin: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Start ssh(1), with its own words in a file beside what the command says. Signals end ssh, and then this process.

    + host: host of the inventory
    + command: program and arguments
    + terminal: whether the command gets a terminal; ssh then gets Ctrl-C as a key
    + stdin: as for subprocess; this process's by default
    """
    with tempfile.NamedTemporaryFile(prefix="ssh-") as words:
        together = not terminal and _is_one_file(sys.stdout, sys.stderr)
        line = ssh(host, command, terminal=terminal, together=None if terminal else together)
        # A program of the name may stand in PATH for ssh: the first word stays.
        # A command with a terminal steers it, as an editor does.
        pipe = None if terminal else subprocess.PIPE
        error_pipe = subprocess.STDOUT if together else pipe
        with subprocess.Popen(
            [line[0], "-E", words.name, *line[1:]], stdin=stdin, stdout=pipe, stderr=error_pipe
        ) as run:
            outputs = [
                (frame.Behind(source), stream)
                for source, stream in ((run.stdout, sys.stdout), (run.stderr, sys.stderr))
                if source
            ]
            # By this name: gevent has put a class of its own there, after this module was imported.
            copies = [threading.Thread(target=_show, args=(run, source, stream)) for source, stream in outputs]
            for thread in copies:
                thread.daemon = True
                thread.start()

            def end(number: int, _: object) -> None:
                run.terminate()
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)

            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, end)
            yield run, Path(words.name)
            for thread in copies:
                thread.join()
        # Such as ForceCommand of sshd: what it ran instead ended well, and is no success of the command.
        if outputs and run.returncode == 0 and not any(source.marked for source, _ in outputs):
            refused = root_refusal(host)
            raise PyinfraError(f"{address(host)}: {refused or 'the command did not run there'}")


def _is_one_file(one: TextIO, other: TextIO) -> bool:
    """Whether two outputs go to the same place, where the order of their lines tells something."""
    try:
        return os.path.sameopenfile(one.fileno(), other.fileno())
    except (OSError, ValueError):
        return False


def _show(run: subprocess.Popen[bytes], source: frame.Behind, stream: TextIO) -> None:
    """Show an output of a host without what a terminal would obey, also where another program shows it."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    try:
        copy(source, stream, LONGEST if stream.isatty() else None)
    except OSError:
        # The reader is gone, such as `head`.
        run.terminate()
        with open(os.devnull, "w") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), stream.fileno())


def wait_for_ssh(
    host: Host, command: Sequence[str], goes_on: str, *, terminal: bool = False, text: str | None = None
) -> int:
    """The exit code of a command on a host. Raises ConnectError if the connection could not be made or was lost.

    + host: host of the inventory
    + command: program and arguments
    + goes_on: sentence about the command on the host once the connection is lost
    + terminal: whether the command gets a terminal
    + text: standard input of the command; default: that of this process
    """
    with started(host, command, terminal=terminal, stdin=None if text is None else subprocess.PIPE) as (run, words):
        if run.stdin:
            # A lost connection closes it before all is sent. ssh then says so.
            with suppress(OSError), run.stdin:
                run.stdin.write(os.fsencode(text or ""))
        return exit_code(run.wait(), words.read_text(errors="replace"), host, goes_on)


def exit_code(code: int, words: str, host: Host, goes_on: str) -> int:
    """The exit code of a command on a host. Raises ConnectError if it is ssh's own, about the connection.

    + code: of ssh
    + words: of ssh itself
    + host: host of the inventory
    + goes_on: sentence about the command on the host once the connection is lost
    """
    if code == openssh.NOT_CONNECTED and (end := openssh.read_end(words)):
        raise ConnectError(sentence(end, host, goes_on))
    # sudo's own code, and the shell's where there is no sudo. Most commands have them, too.
    if code in (1, 127) and (refused := root_refusal(host)):
        raise PyinfraError(f"{address(host)}: {refused}")
    return code


def root_refusal(host: Host) -> str | None:
    """Why nothing can be run as root on a host, for people; None if that is not the reason.

    + host: host of the inventory
    """
    answer = run_ssh(ssh(host, program.words("root_access.sh")), patience=_PATIENCE)
    last = next((line for line in reversed(answer.stdout.splitlines()) if line.strip()), "")
    if last == "allowed" or answer.returncode == openssh.NOT_CONNECTED:
        return None
    user = openssh.user_of(host.data.dict(), machine_of(host).address)
    said = last.removeprefix("refused ") if last.startswith("refused ") else f"it did not answer: {shown(last)}"
    return refusal(shown(said), user, host.name)


def sentence(end: openssh.End, host: Host, goes_on: str = "") -> str:
    """What is known of a connection that ended.

    + end: as ssh told it
    + host: host of the inventory
    + goes_on: sentence about the command on the host once the connection is lost
    """
    if end.made:
        return f"The connection to {address(host)} was lost: {end.reason}. {goes_on}".rstrip()
    return f"No connection to {address(host)}: {end.reason}. Nothing was changed."
