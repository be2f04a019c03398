"""Upload of a large file over OpenSSH: pyinfra's own `files.put` encrypts in Python, on one processor."""

import subprocess
from collections.abc import Generator
from pathlib import Path

from pyinfra import host, logger
from pyinfra.api import FunctionCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Sha256File

from connectors import openssh
from connectors.loss import note
from operations.host import progress
from operations.host.ssh import ssh

# $1: the target, relative to the home of the user of the connection. Only this user may read it. An incomplete file has
# another name.
RECEIVE = 'umask 077 && cat > "$1.part" && mv -f "$1.part" "$1"'


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
    """Whether the upload succeeded. pyinfra passes state and host to parameters with these names."""
    host.log(f"Sending {src.name}, {src.stat().st_size / 1_000_000:.0f} MB")
    with src.open("rb") as file, progress.of_upload(file, host.log):
        run = subprocess.run(
            ssh(host, ["sh", "-c", RECEIVE, "sh", dest]), stdin=file, capture_output=True, text=True, check=False
        )
    if run.returncode == openssh.NOT_CONNECTED and (end := openssh.read_end(run.stderr)):
        note(host, end.reason, made=end.made)
    elif run.returncode != 0:
        host.log_styled(f"The upload failed: {run.stderr.strip()}", fg="red", log_func=logger.error)
    return run.returncode == 0
