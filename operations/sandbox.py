"""The sandbox of an application's unit: whether the machine's systemd can make it.

A container may forbid what it needs. The unit would fail with 226/NAMESPACE, after everything else has been changed.
"""

import re
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program
from operations.host.rendering import render

# Settings that need something of the kernel. Those that name the environment's directories wait until these exist.
_OF_SANDBOX = re.compile(
    r"^((?:Private|Protect|Restrict|SystemCall)\w+|TemporaryFileSystem|NoNewPrivileges|CapabilityBoundingSet|LockPersonality"
    r"|DevicePolicy|KeyringMode|InaccessiblePaths)=",
)


class SandboxRefused(FactBase[list[str]]):
    """Why systemd refuses the sandbox: the status and its words. Empty if it does not, or if the application runs in it."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, unit: str, settings: Sequence[str]) -> StringCommand:
        return program.command("sandbox_trial.sh", unit, *settings)

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def settings(environment: Environment) -> list[str]:
    """The settings of an application's unit that make its sandbox.

    + environment: whose unit it is
    """
    lines = render("unit.service.j2", environment=environment).splitlines()
    return [line for line in lines if _OF_SANDBOX.match(line)]


def require(environment: Environment) -> None:
    """Refuse a machine whose systemd cannot make the sandbox of an application.

    + environment: whose application it is

    Raises DeployError with systemd's words; the run ends before anything has changed.
    """
    refused = host.get_fact(SandboxRefused, unit=environment.unit, settings=settings(environment))
    if refused:
        if re.search(r"\bSYS$", refused[0]):
            raise DeployError(
                f"the filter of system calls in the sandbox of {environment.unit} ends even /bin/true on this machine "
                "(signal SYS). A library that every program loads may need a forbidden call: look at "
                "/etc/ld.so.preload on the host, and at the seccomp profile if it is a container. Nothing was changed."
            )
        raise DeployError(
            f"systemd refuses the sandbox of {environment.unit} on this machine ({'; '.join(refused)}). A container needs "
            "namespaces for it, which its host must allow (Proxmox: pct set … --features nesting=1, and restart it). "
            "Nothing was changed."
        )
