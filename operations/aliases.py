"""Bash aliases of the login user: one marked block for each environment. The rest of the file is the team's."""

import shlex
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import OperationError, StringCommand, operation
from pyinfra.facts.files import Block, FindInFile
from pyinfra.operations import files

from connectors.terminal import harmless
from group_data.schema.environment import Environment


def aliases_file(user: str, path: str) -> None:
    """Create the file for the blocks of all environments, as its owner.

    + user: login user
    + path: of the file
    """
    files.file(name=f"Machine: aliases of {user}", path=path, mode="644", _sudo_user=user)


def bash_aliases(environment: Environment) -> None:
    """Write this environment's block in `.bash_aliases`. Debian's .bashrc reads that file in interactive shells.

    The login user writes the file: root would follow a link that this user made. The environments take turns,
    because all of them write the same file.
    """
    marked_block(
        name="Bash aliases",
        path=environment.aliases_path,
        content=alias_lines(environment),
        marker=marker(environment),
        _sudo_user=environment.login,
        _serial=True,
    )


def marker(environment: Environment) -> str:
    """The comment before and after this environment's block; {mark} stands for BEGIN and END."""
    return f"# {{mark}} {environment.full_name}, managed by the deploy repository"


def aliases(environment: Environment) -> dict[str, str]:
    """Commands by name, with their placeholders filled in. The first one has the environment's name."""
    values = {
        "{unit}": environment.full_name,
        "{app_path}": environment.app_path,
        "{root}": environment.root,
        "{console}": console(environment),
    }
    commands = {environment.environment: f"cd {environment.app_path} 2>/dev/null || cd {environment.root}"}
    for name, command in environment.aliases.items():
        for placeholder, value in values.items():
            command = command.replace(placeholder, value)
        commands[name] = command
    return commands


def console(environment: Environment) -> str:
    """The command that opens a shell in the running node, in the application's sandbox.

    The program refuses to run without a terminal: the end of its input would end the node (seen with OTP 27).
    """
    return f"sudo -n {environment.switch_path} console"


def alias_lines(environment: Environment) -> list[str]:
    """The environment's aliases as bash reads them."""
    return [f"alias {name}={shlex.quote(command)}" for name, command in aliases(environment).items()]


@operation()
def marked_block(path: str, content: list[str], marker: str) -> Generator[StringCommand]:
    """Write `content` between two marker lines; every other line stays.

    pyinfra's `files.block` does the work. It would remove the rest of the file if the second marker is missing, so this
    operation checks the markers first.

    + path: of the file
    + content: lines of the block
    + marker: comment line in which {mark} stands for BEGIN and END; without characters special to a regular expression

    Raises OperationError when one of the markers is missing.
    """
    begin, end = (marker.format(mark=mark) for mark in ("BEGIN", "END"))
    found = [bool(host.get_fact(FindInFile, path=path, pattern=f"^{line}$")) for line in (begin, end)]
    if any(found) and not all(found):
        there, missing = (begin, end) if found[0] else (end, begin)
        raise OperationError(
            f"{path} has the line '{there}' and not '{missing}': put it back, or remove the other one and the aliases"
        )
    # What a terminal would obey arrives here as question marks.
    if host.get_fact(Block, path=path, marker=marker, begin=None, end=None) == [harmless(line) for line in content]:
        host.noop(f"the block in {path} is as it should be")
        return
    yield from files.block._inner(path=path, content=content, marker=marker)
