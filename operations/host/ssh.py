"""OpenSSH beside pyinfra, for large files and for interactive programs."""

import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from pyinfra.api import Host

from connectors import frame, openssh
from connectors.login_shell import portable
from group_data.schema.inventory import machine_of

# Bytes of each output that are kept of a command. More is no answer.
KEPT = 1024 * 1024

# Seconds for the rest of what ssh said, once it has ended.
_LATE = 5


def ssh(
    host: Host,
    command: Sequence[str],
    *,
    terminal: bool = False,
    limits: Mapping[str, int] | None = None,
    together: bool | None = None,
) -> list[str]:
    """The command line that runs a command on an inventory host. A silent network ends it with 255 within 50 seconds.

    + host: its data says how to connect
    + command: program and arguments; each argument arrives unchanged
    + terminal: whether the command gets a terminal; without one ssh asks no question
    + limits: other values of the options that end it, by OpenSSH's names
    + together: whether both outputs come as one, and begin at a mark (`connectors/frame.py`); None for outputs without marks
    """
    options = ["-t"] if terminal else ["-T", "-o", "BatchMode=yes"]
    options += [*openssh.limits(limits or {}), *openssh.options(host.data.dict())]
    address = machine_of(host).address
    # root may have no sudo, and needs none. OpenSSH's configuration may say who logs in.
    before = frame.SUDO if openssh.user_of(host.data.dict(), address) == "root" else ""
    line = portable(f"{before}{shlex.join(command)}")
    line = line if together is None else frame.announced(line, together=together)
    return ["ssh", *options, address, line]


def run_ssh(
    line: Sequence[str], stdin: IO[bytes] | int = subprocess.DEVNULL, patience: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command line of `ssh`. One that says more than KEPT, or takes longer, is ended.

    + line: from `ssh`
    + stdin: as for subprocess
    + patience: seconds; None for all that it takes
    """
    said = {"stdout": b"", "stderr": b""}
    with subprocess.Popen(line, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:

        def read(name: str) -> None:
            said[name] = getattr(run, name).read(KEPT)
            if getattr(run, name).read(1):
                run.kill()

        readers = [threading.Thread(target=read, args=(name,), daemon=True) for name in said]
        for reader in readers:
            reader.start()
        try:
            run.wait(patience)
        except subprocess.TimeoutExpired:
            run.kill()
        code = run.wait()
        for reader in readers:
            # A proxy's command may hold the outputs open.
            reader.join(_LATE)
    return subprocess.CompletedProcess(line, code, *(output.decode(errors="replace") for output in said.values()))
