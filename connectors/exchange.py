"""Many commands in one exchange with a host: the shell script that runs them in parallel, and its answers.

One sudo for each user runs that user's commands, all at the same time. Their outputs are kept in memory (/dev/shm) until the
last one is done, and come back as one compressed stream. Nothing but Debian's essential packages is needed on the host.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

# Seconds a user's commands may take. One that is not done by then is asked again by itself, with all the time it takes.
PATIENCE = 20

# Seconds it then has to send what the others said, on a machine that may have much else to do.
_GRACE = 10

# Bytes that a user's answers may have together. Not a limit of each command's own (`ulimit -f`): the BEAM, which some of
# them start, maps files of 64 MiB.
LIMIT = 64 * 1024 * 1024

# How sudo ends for a user who does not exist (sudo 1.9): with this status and this line, before any command is run.
_UNKNOWN_USER = (1, b"sudo: unknown user")

# The script's own directory, which mktemp makes for nobody else to enter. Without /dev/shm a disk must do.
# No umask: the commands would inherit it, through sudo too.
_DIRECTORY = """\
d=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit
late=
trap 'rm -rf "$d"' EXIT
trap exit HUP INT PIPE TERM
"""

# When `timeout` says that time is up, it tells this shell, and then all there is of it: what sends the answers must not heed
# that, should it have begun by then.
_HEED = """\
trap 'late=1; trap "" TERM' TERM
"""

# How each one ended, in the order in which they began. Once time is up, those that go on are not waited for.
_WAIT = """\
n=0
for pid do
if [ -z "$late" ] || ! kill -0 "$pid" 2>/dev/null; then
wait "$pid"
echo $? >"$d/$n.status"
fi
n=$((n + 1))
done
"""

# Those that did not listen are killed, with this shell.
_END = """\
[ -z "$late" ] || { rm -rf "$d"; kill -KILL 0; }
"""

# Sizes and names, their sum, an empty line, and the contents one after another.
_SEND = 'cd "$d" && wc -c * && echo && cat *\n'

# Nothing is sent of what is too much, or where there is no room left: then no answer is known to be whole.
_SEND_IF_WHOLE = f"""\
if printf %65536s >"$d/room" && : >"$d/room" && cd "$d" && sizes=$(wc -c *) && set -- ${{sizes##*
}} && [ "$1" -le {LIMIT} ]; then printf '%s\\n\\n' "$sizes"; cat *
fi
"""

# Who reads need not wait until the directory is removed.
_SAID = "exec >&- 2>&-\n"


class Command(NamedTuple):
    """A command for a user of the host.

    + become: the words that change to this user, such as `sudo -H -n -u postgres`; empty for the user of the connection
    + text: the rest of the line, for a shell
    """

    become: str
    text: str


class Answer(NamedTuple):
    """Status and output of a command."""

    status: int
    stdout: bytes
    stderr: bytes


def script(commands: Sequence[Command], first: str | None = None) -> str:
    """The script for `sh` that runs the commands.

    + commands: they change nothing, so that the order does not matter
    + first: the line of a command that is run before all of them, with all the time it takes
    """
    lines = [_DIRECTORY]
    if first is not None:
        lines.append(f'{{ {first}\n}} {_kept("first")}\necho $? >"$d/first.status"\n')
    for number, (become, members) in enumerate(_groups(commands).items()):
        jobs = [_beside(f"{command.text} </dev/null", position) for position, command in enumerate(members)]
        group = "".join([_DIRECTORY, _HEED, *jobs, _WAIT, _SEND_IF_WHOLE, _END])
        end = f"end-{hashlib.sha256(group.encode()).hexdigest()}"
        lines.append(_beside(f"{become} timeout -k {_GRACE} {PATIENCE} sh -s <<'{end}'", number, f"{group}{end}\n"))
    return "".join([*lines, _WAIT, "{ ", _SEND, "} | gzip -1\n", _SAID])


def answers(commands: Sequence[Command], stream: bytes) -> tuple[dict[Command, Answer], Answer | None]:
    """The answer of each command, and the answer of the first one.

    + commands: those given to `script`
    + stream: the script's output

    A slow or killed command has no answer here. No command of a user has one if sudo refused the user, or if the user's
    answers are too large. These commands must be run in the ordinary way. The first answer is None if there was no such
    command, or if the stream does not contain its end.
    """
    try:
        kept = _unpack(zlib.decompress(stream, wbits=31))
    except (zlib.error, ValueError):
        return {}, None
    return dict(_of_groups(commands, kept)), _answer(kept, "first")


def _groups(commands: Sequence[Command]) -> dict[str, list[Command]]:
    groups: dict[str, list[Command]] = {}
    for command in commands:
        groups.setdefault(command.become, []).append(command)
    return groups


def _of_groups(commands: Sequence[Command], kept: Mapping[str, bytes]) -> Iterator[tuple[Command, Answer]]:
    for number, members in enumerate(_groups(commands).values()):
        group = _answer(kept, number)
        if group is None:
            continue
        if group.status == _UNKNOWN_USER[0] and group.stderr.startswith(_UNKNOWN_USER[1]):
            yield from ((command, group) for command in members)
            continue
        try:
            inner = _unpack(group.stdout)
        except ValueError:
            continue
        for position, command in enumerate(members):
            answer = _answer(inner, position)
            # A status above 128 means that a signal ended the command.
            if answer and answer.status <= 128:
                yield command, answer


def _kept(name: int | str) -> str:
    """Redirects the output of a command into files."""
    return f'>"$d/{name}.out" 2>"$d/{name}.err"'


def _beside(command: str, name: int, document: str = "") -> str:
    """Lines that start a command in the background and append its process to the shell's parameters.

    + document: its standard input as a here-document; empty without one
    """
    return f'{command} {_kept(name)} &\n{document}set -- "$@" $!\n'


def _answer(kept: Mapping[str, bytes], name: int | str) -> Answer | None:
    try:
        return Answer(int(kept[f"{name}.status"]), kept[f"{name}.out"], kept[f"{name}.err"])
    except (KeyError, ValueError):
        return None


def _unpack(stream: bytes) -> dict[str, bytes]:
    index, found, content = stream.partition(b"\n\n")
    if not found:
        raise ValueError("no index")
    # The last line is the sum, in the host's language.
    return dict(_slices([line.split() for line in index.decode().splitlines()[:-1]], content))


def _slices(sizes: Iterable[list[str]], content: bytes) -> Iterator[tuple[str, bytes]]:
    start = 0
    for size, name in sizes:
        end = start + int(size)
        yield name, content[start:end]
        start = end
    # A command may have written more between listing and sending.
    if start != len(content):
        raise ValueError("not as it was announced")
