"""Things that take long to make, kept between runs of the tests by the content of everything they are made from."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

# Of each kind, so many are kept: one for each Debian release, and those of the version before.
KEPT = 4

# Locked files of the directories that this process uses.
_used: dict[Path, IO[str]] = {}


def folder() -> Path:
    """The folder of the sandbox, `$XDG_CACHE_HOME/deploy-sandbox`, by default in ~/.cache."""
    path = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deploy-sandbox"
    path.mkdir(parents=True, exist_ok=True)
    return path


def kept(kind: str, sources: Iterable[Path | str], make: Callable[[Path], None]) -> Path:
    """The directory made from these sources, made now if it is not there. Only read it: later runs use it too.

    + kind: the beginning of its name
    + sources: files, directories with all files in them, and words
    + make: fills the directory that it is given
    """
    place = folder() / f"{kind}-{_digest(sources)}"
    # Until this process ends nobody removes it.
    if place not in _used:
        _used[place] = place.with_suffix(".used").open("w")
        fcntl.flock(_used[place], fcntl.LOCK_SH)
    directory = _once(place, make)
    os.utime(directory)
    # One that another run is filling now has a suffix.
    complete = [path for path in folder().glob(f"{kind}-*/") if not path.suffix]
    others = sorted(complete, key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        _remove_unused(old)
    return directory


def _remove_unused(directory: Path) -> None:
    """Remove a directory that no running process has got from `kept`."""
    with directory.with_suffix(".used").open("w") as used, suppress(BlockingIOError):
        fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)


def _once(directory: Path, make: Callable[[Path], None]) -> Path:
    """The directory, filled by whoever comes first; the others wait. One that fails leaves it to the next."""
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            making = directory.with_suffix(".new")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(directory)
    return directory


def _digest(sources: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        for name, content in _contents(source):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _contents(source: Path | str) -> Iterator[tuple[str, bytes]]:
    if isinstance(source, str):
        yield source, b""
    elif source.is_file():
        yield source.name, source.read_bytes()
    else:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(source)), path.read_bytes()
