"""Commands on an environment's host: this process becomes ssh, or waits for it."""

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import NoReturn

from pyinfra.api import Host

from group_data.schema.environment import Environment
from operations.host.ssh import ssh
from preflight.selection import select_committed


def targets(names: Sequence[str]) -> list[tuple[Host, Environment]]:
    """Inventory hosts with their environments.

    + names: names of environments; none means all
    """
    _, environments, hosts = select_committed(names)
    return [(host, environments[host.name]) for host in hosts]


def become_ssh(host: Host, command: Sequence[str], *, terminal: bool = False) -> NoReturn:
    """Replace this process with ssh. Otherwise it would have to pass on signals and window sizes.

    + host: host of the inventory
    + command: program and arguments
    + terminal: whether the command gets a terminal
    """
    os.execvp("ssh", ssh(host, command, terminal=terminal))  # noqa: S606


def wait_for_ssh(host: Host, command: Sequence[str]) -> int:
    """The exit code of a command on a host. A signal ends ssh, and then this process: ssh itself would make 255 of it.

    + host: host of the inventory
    + command: program and arguments
    """
    with subprocess.Popen(ssh(host, command)) as run:

        def end(number: int, _: object) -> None:
            run.terminate()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end)
        return run.wait()
