"""The systemd unit of one environment, its group, its directories, and who may restart it."""

from collections.abc import Sequence
from io import StringIO

from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files, server, systemd

from group_data.schema.environment import Environment
from operations import running
from operations.rendering import render


def group(environment: Environment) -> None:
    """The group that may read the secret file exists; nobody is in it, the unit alone is given it."""
    server.group(name="Group of the secret file", group=environment.group, system=True)


def directories(environment: Environment) -> None:
    """The environment's root, and the private directory that is HOME to the running release.

    Made as the application user: root never follows a path that this user could have turned into a link.
    """
    files.directory(name="Root directory", path=environment.root, mode="750", _sudo_user=environment.user)
    files.directory(name="Private directory", path=environment.private_path, mode="700", _sudo_user=environment.user)


def service(environment: Environment, after: Sequence[OperationMeta]) -> None:
    """The unit is on disk, enabled and known to systemd; a running application that is out of date is restarted.

    Not started here: without a release there is nothing to start, and starting one is what a release does.

    + environment: whose unit
    + after: the steps that wrote what the release reads when it starts
    """
    variables = files.put(
        name="Unit: variables",
        src=StringIO(render("variables.j2", environment=environment)),
        dest=environment.variables_path,
        mode="644",
    )
    unit = files.put(
        name="Unit",
        src=StringIO(render("unit.service.j2", environment=environment)),
        dest=environment.unit_path,
        mode="644",
    )
    reloaded = running.daemon_reloaded(
        name="Unit: systemd reloads", unit=environment.unit, path=environment.unit_path, after=[unit]
    )
    systemd.service(name="Unit: starts at boot", service=environment.unit, enabled=True, running=None)
    files.put(
        name="Unit: may be restarted by the application user",
        src=StringIO(render("polkit.rules.j2", environment=environment)),
        dest=environment.polkit_rule_path,
        mode="644",
    )
    running.restarted(
        name="Unit: running application restarts",
        service=environment.unit,
        files=environment.start_files,
        after=[unit, reloaded, variables, *after],
    )
