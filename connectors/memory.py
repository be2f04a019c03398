"""Which commands a run asked a host for facts, kept for the next run; never what they answered."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from connectors.exchange import Command

# Of the file's contents: those of another version are not read.
_VERSION = 1


def path_of(run: Sequence[str]) -> Path:
    """The file of a run against a host, in `$XDG_CACHE_HOME/pyinfra-snapshot`, or in `~/.cache` where that is not set.

    + run: what makes it another run, such as the folder, the entry points, and the host's name and address
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pyinfra-snapshot" / f"{hashlib.sha256(json.dumps(run).encode()).hexdigest()[:32]}.json"


def recall(path: Path) -> dict[str, list[Command]]:
    """The commands by stage, as far as the file can be read and only its user can have written it.

    They are run on the host, as root: whoever can write them there can do anything on it.
    """
    try:
        if not (_is_private(path.parent) and _is_private(path)):
            return {}
        kept = json.loads(path.read_bytes())
        if kept["version"] != _VERSION:
            return {}
        return {stage: [_command(pair) for pair in pairs] for stage, pairs in kept["commands"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def remember(path: Path, commands: Mapping[str, Iterable[Command]]) -> None:
    """Keep the commands in place of those before, readable by this user alone; where that fails, nothing is kept."""
    text = json.dumps({"version": _VERSION, "commands": {stage: list(those) for stage, those in commands.items()}})
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made with mode 0600, and moved into place: a run beside this one reads the old file or the new one.
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise


def _is_private(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _command(pair: object) -> Command:
    match pair:
        case [str(become), str(text)]:
            return Command(become, text)
    raise ValueError("not a command")
