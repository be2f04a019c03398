"""Upload of a large file over OpenSSH: pyinfra's own `files.put` encrypts in Python, on one processor."""

import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Sha256File

from connectors import openssh
from connectors.loss import note
from connectors.terminal import shown
from operations.host import program, progress
from operations.host.ssh import run_ssh, ssh

# $1: the file. The size of the part that a lost connection leaves, on a line of its own behind whatever .bashrc prints.
_ARRIVED = 'echo; stat -c %s "$1.part"'

# An upload is given up after so many connections in a row over which nothing arrived, and when the host does not say in so
# many questions what did. A connection is lost after 20 silent seconds, and made in 12: together less than a minute.
_BARREN, _QUESTIONS = 3, 2
_LIMITS = {"ConnectTimeout": 12, "ServerAliveInterval": 5}


@operation()
def send(src: Path, dest: str, sha256: str) -> Generator[FunctionCommand]:
    """Send a file to the host, where only the user of the connection may read it.

    The transfer is not compressed, because a tarball is compressed already. The next step checks the digest on the host.

    + src: path on this computer
    + dest: path relative to the home of the user of the connection; its directory exists
    + sha256: of the file
    """
    if host.get_fact(Sha256File, path=dest) == sha256:
        host.noop(f"{dest} is there")
    else:
        yield FunctionCommand(_send, [src, dest], {})


def _send(state: State, host: Host, src: Path, dest: str) -> bool:
    """Whether the upload succeeded. pyinfra passes state and host to parameters with these names.

    After a lost connection it goes on over a new one, from what arrived, as long as more arrives each time. On a network
    that loses many packets TCP waits twice as long after each loss, for minutes; a new connection begins with short waits.
    """
    size = src.stat().st_size
    host.log(f"Sending {src.name}, {size / 1_000_000:.0f} MB")
    arrived = barren = 0
    with src.open("rb") as file, progress.of_upload(file, host.log):
        while True:
            file.seek(arrived)
            run = _over_ssh(host, program.words("receive.sh", dest, str(arrived), str(size)), stdin=file)
            end = (
                openssh.read_end(run.stderr, _LIMITS["ServerAliveInterval"])
                if run.returncode == openssh.NOT_CONNECTED
                else None
            )
            if not end:
                break
            there = _arrived(host, dest) if end.made or arrived else None
            barren = 0 if there and there > arrived else barren + 1
            if there is None or barren == _BARREN:
                note(host, end.reason, made=end.made)
                return False
            arrived = there
            host.log(f"The connection was lost: going on after {arrived / 1_000_000:.1f} MB")
    if run.returncode != 0:
        host.log_styled(f"The upload failed: {shown(run.stderr.strip())}", fg="red", log_func=logger.error)
    return run.returncode == 0


def _arrived(host: Host, dest: str) -> int | None:
    """Bytes of the upload that are on the host; None if it does not answer, or has no part of it."""
    for _ in range(_QUESTIONS):
        run = _over_ssh(host, ["sh", "-c", _ARRIVED, "sh", dest], stdin=subprocess.DEVNULL)
        if run.returncode != openssh.NOT_CONNECTED:
            words = run.stdout.split()
            return int(words[-1]) if words and words[-1].isdecimal() else None
    return None


def _over_ssh(host: Host, command: Sequence[str], stdin: IO[bytes] | int) -> subprocess.CompletedProcess[str]:
    return run_ssh(ssh(host, command, limits=_LIMITS), stdin)
