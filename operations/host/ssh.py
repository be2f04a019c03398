"""OpenSSH beside pyinfra, for large files and for interactive programs."""

import shlex
from collections.abc import Sequence

from pyinfra.api import Host

from group_data.schema.inventory import machine_of

# OpenSSH's options by pyinfra's names of them in the inventory.
_OPTIONS = {
    "ssh_user": "User",
    "ssh_key": "IdentityFile",
    "ssh_known_hosts_file": "UserKnownHostsFile",
    "ssh_strict_host_key_checking": "StrictHostKeyChecking",
}


def ssh(host: Host, command: Sequence[str], *, terminal: bool = False) -> list[str]:
    """The command line that runs a command on an inventory host.

    + host: its data says how to connect
    + command: program and arguments; each argument arrives unchanged
    + terminal: whether the command gets a terminal; without one ssh asks no question
    """
    options = ["-t"] if terminal else ["-T", "-o", "BatchMode=yes"]
    if config := host.data.get("ssh_config_file"):
        options += ["-F", str(config)]
    for key, option in _OPTIONS.items():
        if value := host.data.get(key):
            options += ["-o", f"{option}={value}"]
    machine = machine_of(host)
    if machine.port != 22:
        options += ["-p", str(machine.port)]
    return ["ssh", *options, machine.address, shlex.join(command)]
