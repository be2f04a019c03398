"""Programs of `operations/programs/`, run on a host without a change."""

import re
from functools import cache

from pyinfra.api import QuoteString, StringCommand

from connectors.language import EXPORT
from group_data.schema.paths import CHECKOUT

PROGRAMS = CHECKOUT / "operations" / "programs"

# A line of a program that takes in another file of the folder. A shell that runs the file from there does the same.
_SOURCED = re.compile(r"^\. \./([a-z_]+\.sh)\n", re.MULTILINE)

# Any other way to write that. The host has no such file, and the program would end there.
_SOURCED_OTHERWISE = re.compile(r"^(?!#).*?(?:^|[\s;&|({])(?:\.|source)\s+[\"']?\./.*", re.MULTILINE)


# The first line of a program and its description.
_BEGINNING = re.compile(r"\A(#.*\n)+")


@cache
def text(name: str) -> str:
    """A program as a host runs it: each line that sources a file is replaced by that file, and the language is set.

    + name: file name in operations/programs, e.g. "take_lock.sh"

    Raises ValueError when a line sources a file in a form that is not replaced, e.g. with spaces before it.
    """
    whole = _whole(name)
    # systemd and sudo would give it the host's language. Below the words at its beginning, which say whose file it is.
    return _BEGINNING.sub(rf"\g<0>{EXPORT}\n", whole, count=1) if name.endswith(".sh") else whole


def _whole(name: str) -> str:
    written = (PROGRAMS / name).read_text()
    if line := _SOURCED_OTHERWISE.search(_SOURCED.sub("", written)):
        raise ValueError(
            f"operations/programs/{name}: a line that sources a file is `. ./NAME.sh` alone, not `{line[0]}`"
        )
    return _SOURCED.sub(lambda line: _whole(line[1]), written)


def words(name: str, *arguments: str) -> list[str]:
    """The argument list that runs a program with the shell of its first line, or with perl. It leaves no file on the host.

    + name: file name in operations/programs
    + arguments: $1 and so on; every local user of the host can read them, so they hold no secrets
    """
    if name.endswith(".pl"):
        return ["perl", "-e", text(name), *arguments]
    shell = "bash" if text(name).startswith("#!/bin/bash\n") else "sh"
    return [shell, "-c", text(name), name, *arguments]


def command(name: str, *arguments: str) -> StringCommand:
    """The command of `words` for pyinfra.

    + name: file name in operations/programs
    + arguments: of the program
    """
    shell, flag, *rest = words(name, *arguments)
    return StringCommand(shell, flag, *[QuoteString(word) for word in rest])
