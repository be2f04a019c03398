"""Directories in the application user's home, which that user could at any time turn into links to elsewhere."""

from collections.abc import Generator
from posixpath import basename, dirname

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.facts.files import Directory
from pyinfra.operations import files

# $1: directory above, $2: name in it, $3: owner. Once the shell is in a directory nobody can lead it elsewhere; whether it
# is the right one is asked from inside.
OWN = 'cd "$1" && [ "$(pwd -P)" = "$1" ] && chown --no-dereference "$3" "$2"'


@operation()
def directory(path: str, user: str, mode: str, present: bool = True) -> Generator[StringCommand]:
    """The directory is there and belongs to the user, as whom this operation must run (`_sudo_user`), or it is not there.

    pyinfra's `files.directory` does the work. It would have to be root to mend an owner, and then follow links.

    + path: below the user's home
    + user: owner, and with its group
    + mode: octal permissions, e.g. "750"
    + present: False removes it with what is in it
    """
    current = host.get_fact(Directory, path=path)
    if present and current and (current["user"], current["group"]) != (user, user):
        arguments = [QuoteString(value) for value in (dirname(path), basename(path), f"{user}:{user}")]
        yield StringCommand("sh -c", QuoteString(OWN), "sh", *arguments, _sudo_user="root")
    yield from files.directory._inner(path=path, present=present, mode=mode)
