"""OpenSSH beside pyinfra, for large files and for interactive programs."""

import shlex
from collections.abc import Mapping, Sequence

from pyinfra.api import Host

from connectors import frame, openssh
from group_data.schema.inventory import machine_of


def ssh(
    host: Host, command: Sequence[str], *, terminal: bool = False, limits: Mapping[str, int] | None = None
) -> list[str]:
    """The command line that runs a command on an inventory host. A silent network ends it with 255 within 50 seconds.

    + host: its data says how to connect
    + command: program and arguments; each argument arrives unchanged
    + terminal: whether the command gets a terminal; without one ssh asks no question
    + limits: other values of the options that end it, by OpenSSH's names
    """
    options = ["-t"] if terminal else ["-T", "-o", "BatchMode=yes"]
    options += [*openssh.limits(limits or {}), *openssh.options(host.data.dict())]
    # root may have no sudo, and needs none.
    before = frame.SUDO if host.data.get("ssh_user") == "root" else ""
    return ["ssh", *options, machine_of(host).address, f"{before}{shlex.join(command)}"]
