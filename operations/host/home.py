"""Directories in the application user's home. That user could turn any of them into a link at any time."""

from collections.abc import Generator
from posixpath import basename, dirname

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory
from pyinfra.operations import files

# $1: parent directory, $2: name in it, $3: owner. The shell enters the parent first and then checks where it is: from then
# on a link cannot redirect it.
OWN = 'cd "$1" && [ "$(pwd -P)" = "$1" ] && chown --no-dereference "$3" "$2"'


@operation()
def directory(path: str, user: str, mode: str, present: bool = True) -> Generator[StringCommand]:
    """Create a directory of the user, or remove it. The operation must run as that user (`_sudo_user`).

    pyinfra's `files.directory` does the work, except for a wrong owner: it would need root for that, and root would follow
    links.

    + path: below the user's home
    + user: owner; the group has the same name
    + mode: octal permissions, e.g. "750"
    + present: False removes the directory and its content
    """
    current = host.get_fact(Directory, path=path)
    if present and current and (current["user"], current["group"]) != (user, user):
        arguments = [QuoteString(value) for value in (dirname(path), basename(path), f"{user}:{user}")]
        yield StringCommand("sh -c", QuoteString(OWN), "sh", *arguments, _sudo_user="root")
    yield from files.directory._inner(path=path, present=present, mode=mode)
