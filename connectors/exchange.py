"""Many commands in one exchange with a host: the shell script that runs them in parallel, and its answers.

One sudo for each user runs that user's commands, all at the same time. Their outputs are kept in memory (/dev/shm) until the
last one is done, and come back as one compressed stream. Nothing but Debian's essential packages is needed on the host.
"""

import hashlib
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from connectors.frame import ANNOUNCE, SUDO, after_mark
from connectors.language import EXPORT

# Seconds for the commands of a user. A slower command runs again by itself, without a limit.
PATIENCE = 20

# Seconds to send the other answers after that, on a machine that may be busy.
_GRACE = 10

# Bytes of a user's answers together. There is no limit for each command (`ulimit -f`), because some of them start the BEAM,
# and it maps files of 64 MiB.
LIMIT = 64 * 1024 * 1024

# Bytes of all answers together, unpacked: a stream of 400 kB can unpack to gigabytes. Answers beyond it do not count.
STREAM_LIMIT = LIMIT + 1024 * 1024

# sudo 1.9 ends with this status and this line if the user does not exist, before it runs any command.
_UNKNOWN_USER = (1, b"sudo: unknown user")

# The functions of the script. A here document of up to 4096 bytes costs dash no process of its own, so it is kept short.
_FUNCTIONS = "".join(
    line.lstrip()
    for line in Path(__file__).with_name("exchange.sh").read_text().splitlines(keepends=True)
    if not line.lstrip().startswith("#")
)


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


def script(commands: Sequence[Command], first: str | None = None, *, root: bool = False) -> str:
    """The script for `sh` that runs the commands.

    + commands: they change nothing, so that the order does not matter
    + first: the line of a command that runs before all of them, without a limit of time
    + root: whether root logs in, who needs no sudo
    """
    lines = [f"{ANNOUNCE}\n", f"{EXPORT}\n", _FUNCTIONS, *([SUDO] if root else []), "make_directory\n"]
    if first is not None:
        lines.append(f"run_first {shlex.quote(first)}\n")
    for number, (become, members) in enumerate(_groups(commands).items()):
        group = _group(members)
        end = f"end-{hashlib.sha256(group.encode()).hexdigest()}"
        lines.append(_beside(f"{become} timeout -k {_GRACE} {PATIENCE} sh -s <<'{end}'", number))
        lines.append(f"{group}{end}\n")
    return "".join([*lines, "wait_for_all; send | gzip -1; close_outputs\n"])


def answers(commands: Sequence[Command], stream: bytes) -> tuple[dict[Command, Answer], Answer | None]:
    """The answer of each command, and the answer of the first one.

    + commands: those given to `script`
    + stream: the script's output

    A slow or killed command has no answer here. No command of a user has one if sudo refused the user, or if the user's
    answers are too large. These commands must be run in the ordinary way. The first answer is None if there was no such
    command, or if the stream does not contain its end.
    """
    try:
        kept = _unpack(_inflate(after_mark(stream)[0]))
    except (zlib.error, ValueError):
        return {}, None
    return dict(_of_groups(commands, kept)), _answer(kept, "first")


def _inflate(stream: bytes) -> bytes:
    """The unpacked stream. Raises ValueError when it is longer than STREAM_LIMIT or has no end, and zlib.error."""
    inflate = zlib.decompressobj(wbits=31)
    content = inflate.decompress(stream, STREAM_LIMIT)
    if not inflate.eof:
        raise ValueError("no end within the limit")
    return content


def _group(commands: Sequence[Command]) -> str:
    """The script that runs one user's commands."""
    jobs = [_beside(f"{command.text} </dev/null", position) for position, command in enumerate(commands)]
    before, after = "make_directory; heed_timeout\n", f"wait_for_all; send_if_whole {LIMIT}; end_late\n"
    return "".join([_FUNCTIONS, before, *jobs, after])


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


def _beside(command: str, number: int) -> str:
    """The line that starts a command in the background. The lines of its here-document follow."""
    return f'{command} >"$answers/{number}.out" 2>"$answers/{number}.err" & processes="$processes $!"\n'


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
    # A command may have written more after the sizes were listed.
    if start != len(content):
        raise ValueError("not as it was announced")
