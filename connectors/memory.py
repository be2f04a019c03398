"""Keeps the commands that a run used for facts, for the next runs. Answers are never kept."""

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

# Version of the file's format; a file of another version is not read.
_VERSION = 2

# Number of runs to keep. A run with changes asks for fewer facts than one without, and the two often alternate.
_RUNS = 2


def path_of(run: Sequence[str]) -> Path:
    """The file of a run against a host, in `$XDG_CACHE_HOME/pyinfra-snapshot`, by default in `~/.cache`.

    + run: everything that tells this run from others: folder, entry points, name and address of the host
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "pyinfra-snapshot" / f"{hashlib.sha256(json.dumps(run).encode()).hexdigest()[:32]}.json"


def recall(path: Path) -> dict[str, list[Command]]:
    """The commands of the last two runs by stage; none if the file is unreadable or somebody else could have written it.

    The host runs these commands as root, so anybody who can write the file controls the host.
    """
    return {stage: list(dict.fromkeys(chain.from_iterable(runs))) for stage, runs in _runs(path).items()}


def remember(path: Path, asked: Mapping[str, Iterable[Command]]) -> None:
    """Keeps the commands of a run and of the one before, readable by this user alone. On an error, nothing is kept.

    + asked: commands by stage; other stages keep theirs
    """
    before = _runs(path)
    runs = {stage: [list(commands), *before.get(stage, [])][:_RUNS] for stage, commands in asked.items()}
    text = json.dumps({"version": _VERSION, "runs": before | runs})
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created with mode 0600 and renamed: another run reads the old file or the new one, never a part.
        descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
            Path(partial).replace(path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise


def _runs(path: Path) -> dict[str, list[list[Command]]]:
    """The commands by stage and run, the last run first."""
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
