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
from operations.host import program, progress
from operations.host.ssh import ssh

# $1: the file. The size of the part that a lost connection leaves.
_ARRIVED = 'stat -c %s "$1.part"'

# Seconds for a new connection, after one that was silent for 32: together less than a minute.
_AGAIN = 20


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
    arrived = 0
    with src.open("rb") as file, progress.of_upload(file, host.log):
        while True:
            file.seek(arrived)
            run = _over_ssh(host, program.words("receive.sh", dest, str(arrived), str(size)), stdin=file)
            end = openssh.read_end(run.stderr) if run.returncode == openssh.NOT_CONNECTED else None
            if not end:
                break
            before, arrived = arrived, _arrived(host, dest) if end.made else 0
            if arrived <= before:
                note(host, end.reason, made=end.made)
                return False
            host.log(f"The connection was lost: going on after {arrived / 1_000_000:.1f} MB")
    if run.returncode != 0:
        host.log_styled(f"The upload failed: {run.stderr.strip()}", fg="red", log_func=logger.error)
    return run.returncode == 0


def _arrived(host: Host, dest: str) -> int:
    """Bytes of the upload that are on the host; 0 if it does not answer."""
    words = _over_ssh(host, ["sh", "-c", _ARRIVED, "sh", dest], stdin=subprocess.DEVNULL).stdout.split()
    return int(words[-1]) if words and words[-1].isdecimal() else 0


def _over_ssh(host: Host, command: Sequence[str], stdin: IO[bytes] | int) -> subprocess.CompletedProcess[str]:
    limited = ssh(host, command, ConnectTimeout=_AGAIN, ServerAliveInterval=8)
    return subprocess.run(limited, stdin=stdin, capture_output=True, text=True, check=False)
