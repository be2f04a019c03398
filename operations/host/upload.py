"""A large file on its way to a host, over OpenSSH: pyinfra's own `files.put` encrypts in Python, on one processor."""

import subprocess
from collections.abc import Generator
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Sha256File

from operations.host import progress
from operations.host.ssh import ssh

# $1: where to, relative to the home of whoever is logged in. Nobody else may read it, and a part of it has another name.
RECEIVE = 'umask 077 && cat > "$1.part" && mv -f "$1.part" "$1"'


@operation()
def send(src: Path, dest: str, sha256: str) -> Generator[FunctionCommand]:
    """The file is on the host, and the user of the connection alone may read it.

    Not compressed on its way: a tarball is. What arrived is compared with its digest by whoever takes it from there.

    + src: on this computer
    + dest: relative to the home of the user of the connection, in a directory that exists
    + sha256: of the file
    """
    if host.get_fact(Sha256File, path=dest) == sha256:
        host.noop(f"{dest} is there")
    else:
        yield FunctionCommand(_send, [src, dest], {})


def _send(state: State, host: Host, src: Path, dest: str) -> bool:
    """Whether ssh took it there; pyinfra passes state and host to a function that asks for them by name."""
    host.log(f"Sending {src.name}, {src.stat().st_size / 1_000_000:.0f} MB")
    with src.open("rb") as file, progress.of_upload(file, host.log):
        run = subprocess.run(
            ssh(host, ["sh", "-c", RECEIVE, "sh", dest]), stdin=file, capture_output=True, text=True, check=False
        )
    if run.returncode != 0:
        host.log_styled(f"The upload failed: {run.stderr.strip()}", fg="red", log_func=logger.error)
    return run.returncode == 0
