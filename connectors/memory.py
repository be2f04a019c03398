"""Which commands a run asked a host for facts, kept for the next runs; never what they answered."""

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from connectors.exchange import Command

# Of the file's contents: those of another version are not read.
_VERSION = 2

# Runs whose commands are kept. A run that changes something asks less than one that does not, and they often alternate.
_RUNS = 2


def path_of(run: Sequence[str]) -> Path:
    """The file of a run against a host, in `$XDG_CACHE_HOME/pyinfra-snapshot`, or in `~/.cache` where that is not set.

    + run: what makes it another run, such as the folder, the entry points, and the host's name and address
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pyinfra-snapshot" / f"{hashlib.sha256(json.dumps(run).encode()).hexdigest()[:32]}.json"


def recall(path: Path) -> dict[str, list[Command]]:
    """The commands of the last two runs by stage, as far as the file can be read and only its user can have written it.

    They are run on the host, as root: whoever can write them there can do anything on it.
    """
    return {stage: list(dict.fromkeys(chain.from_iterable(runs))) for stage, runs in _runs(path).items()}


def remember(path: Path, asked: Mapping[str, Iterable[Command]]) -> None:
    """Keep the commands of a run and of the one before, readable by this user alone; where that fails, nothing is kept.

    + asked: by stage; what is kept of other stages stays
    """
    before = _runs(path)
    runs = {stage: [list(commands), *before.get(stage, [])][:_RUNS] for stage, commands in asked.items()}
    text = json.dumps({"version": _VERSION, "runs": before | runs})
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


def _runs(path: Path) -> dict[str, list[list[Command]]]:
    """The commands by stage and run, of the last run first."""
    try:
        if not (_is_private(path.parent) and _is_private(path)):
            return {}
        kept = json.loads(path.read_bytes())
        if kept["version"] != _VERSION:
            return {}
        return {stage: [[_command(pair) for pair in run] for run in runs] for stage, runs in kept["runs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_private(path: Path) -> bool:
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _command(pair: object) -> Command:
    match pair:
        case [str(become), str(text)]:
            return Command(become, text)
    raise ValueError("not a command")
