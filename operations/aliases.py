"""Bash aliases of the application user: one marked block for each environment, the rest of the file is the team's."""

import shlex

from pyinfra.operations import files

from group_data.schema.environment import Environment


def bash_aliases(environment: Environment) -> None:
    """`.bash_aliases` holds this environment's block. Debian's .bashrc reads that file in interactive shells.

    Written as the application user, so that root never follows a link this user made, and one environment after the
    other, because both write the same file.
    """
    path = f"{environment.home}/.bash_aliases"
    files.file(name="Bash aliases: file", path=path, mode="644", _sudo_user=environment.user, _serial=True)
    files.block(
        name="Bash aliases",
        path=path,
        content=[f"alias {name}={shlex.quote(command)}" for name, command in environment.shell_aliases.items()],
        marker=f"# {{mark}} {environment.full_name}, managed by the deploy repository",
        _sudo_user=environment.user,
        _serial=True,
    )
