"""Files that are written whole or not at all, and are on the disk when the step is done.

pyinfra's `files.put` copies into the file itself: a full disk or a power cut in the middle leaves a part of it, or nothing.
"""

from collections.abc import Generator
from hashlib import sha256

from pyinfra import host, state
from pyinfra.api import FactBase, FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Directory, File, Sha256File
from typing_extensions import override

from operations.host import program
from operations.host.report import show_diff

CONTENT = "its content differs"


@operation()
def put(
    content: str, dest: str, mode: str = "644", user: str = "root", group: str = "root"
) -> Generator[StringCommand]:
    """Write `content` to the file, which gets its name when it is complete. Its directory is made if there is none.

    + content: the whole file, without secrets: a diff shows it
    + dest: path of the file
    + mode: octal permissions
    + user: owner
    + group: owning group
    """
    difference = difference_of(dest, content, user, group, mode)
    if not difference:
        host.noop(f"{dest} is as it should be")
        return
    if host.get_fact(Sha256File, path=dest) != sha256(content.encode()).hexdigest():
        show_diff(dest, content)
    yield install(dest, content, f"{user}:{group}", mode)


@operation()
def directory(path: str, mode: str = "755", user: str = "root", group: str = "root") -> Generator[StringCommand]:
    """Make the directory, or give it its owner and mode again. Missing parents get the mode 755, whatever root's umask is.

    pyinfra's `files.directory` makes the parents as the umask says, and with 077 nobody else gets through them.

    + path: of the directory
    + mode: octal permissions
    + user: owner
    + group: owning group
    """
    present = host.get_fact(Directory, path=path)
    if present and (present["user"], present["group"], present["mode"]) == (user, group, int(mode)):
        host.noop(f"{path} is as it should be")
        return
    if not present:
        yield StringCommand("umask 022 &&", "mkdir -p", QuoteString(path))
    yield StringCommand("chown", QuoteString(f"{user}:{group}"), QuoteString(path), "&& chmod", mode, QuoteString(path))


def difference_of(path: str, content: str, user: str, group: str, mode: str) -> str | None:
    """The difference between a file and the data, in words. If the content differs, owner and mode are not mentioned.

    + path: of the file
    + content: the whole file
    + user: owner
    + group: owning group
    + mode: octal permissions
    """
    current = host.get_fact(File, path=path)
    if not current:
        return "it is not there"
    if host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest():
        return CONTENT
    if (current["user"], current["group"], current["mode"]) != (user, group, int(mode)):
        return "its owner or mode differs"
    return None


def install(path: str, content: str, owner: str, mode: str) -> StringCommand:
    """The command that puts a file into place. The content goes over standard input: no argument list shows it.

    + path: of the file
    + content: the whole file
    + owner: user and group, with a colon between
    + mode: octal permissions
    """
    return StringCommand(program.command("install_file.sh", path, owner, mode), _stdin=sent(content))


def sent(content: str) -> str:
    """The content as operations/programs/stage_file.sh reads it.

    + content: the whole file
    """
    data = content.encode()
    return f"{sha256(data).hexdigest()} {len(data)}\n{content}"


class Unsynced(FactBase[str]):
    """Writes everything to the machine's disks; the reason why they do not take it, empty when they did.

    A fact, so that a run without changes needs no command of its own for it.
    """

    @override
    def command(self) -> str:
        return "sync 2>&1 || true"

    @override
    def process(self, output: list[str]) -> str:
        return " ".join(output)


@operation()
def sync() -> Generator[FunctionCommand]:
    """Write everything on the machine to its disks, so that no power cut undoes a step that succeeded.

    For what packages and other operations write: they do not sync. No plan lists this step, because it changes nothing.
    """
    host.noop("the disks have all of it")
    if state.is_executing and (reason := host.get_fact(Unsynced)):
        # pyinfra would show an exception with a traceback: operations do not raise in execution.
        yield FunctionCommand(_fail, [reason], {})


def _fail(state: State, host: Host, reason: str) -> bool:
    host.log(f"The disks of the machine do not take what was written: {reason}")
    return False
