"""A release's tarball on this computer."""

import gzip
import hashlib
import os
import tarfile
import time
from pathlib import Path
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.version import is_version

# Characters of a file beside a tarball. A host may have handed it over.
_LONGEST_BESIDE = 65_536


class TarballError(PyinfraError):
    """A file that is no usable release. A PyinfraError, because only those are shown without a traceback."""


class Tarball(NamedTuple):
    """A tarball and the facts about it.

    + path: of the file
    + version: from its releases/start_erl.data, so the version that it boots
    + sha256: of the file
    + size: of the file, in bytes
    + build: lines name=value from the `.build` file that a build leaves beside it; empty without one
    """

    path: Path
    version: str
    sha256: str
    size: int
    build: str

    def built(self, name: str) -> str:
        """One of the values in `build`, or "-"."""
        facts = dict(line.split("=", 1) for line in self.build.splitlines() if "=" in line)
        return facts.get(name) or "-"


def read(path: Path) -> Tarball:
    """Reads a tarball to its end.

    + path: of the file

    Raises TarballError when it is missing, broken or no release, or when it does not match the `.sha256` beside it.
    """
    try:
        version = _version(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise TarballError(f"TARBALL={path}: there is no such file. Nothing was changed.") from None
    except (OSError, EOFError, tarfile.TarError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise TarballError(f"TARBALL={path} cannot be read ({error}): build it anew. Nothing was changed.") from None
    if version is None or not is_version(version):
        raise TarballError(
            f"TARBALL={path} is no release: releases/start_erl.data, which names its version, is not in it. Nothing was "
            "changed."
        )
    promised = _beside(path, ".sha256").split(" ")[0].strip()
    if promised not in ("", digest):
        raise TarballError(
            f"TARBALL={path} is not what {path.name}.sha256 beside it says: bring both here anew. Nothing was changed."
        )
    return Tarball(path, version, digest, path.stat().st_size, _beside(path, ".build"))


def _version(path: Path) -> str | None:
    """The version that a tarball boots. Reads the whole file, so that a truncated one raises an error."""
    version = None
    with gzip.open(path) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.name.removeprefix("./") == "releases/start_erl.data" and (
                    file := archive.extractfile(member)
                ):
                    version = next(reversed(file.read(1000).decode().split()), None)
        # tarfile stops at the end of the archive, before gzip's checksum, which detects a broken file.
        while stream.read(1 << 20):
            pass
    return version


def _beside(path: Path, suffix: str) -> str:
    file = path.with_name(path.name + suffix)
    if not file.exists():
        return ""
    with file.open(errors="replace") as opened:
        return opened.read(_LONGEST_BESIDE)


def make_newest(path: Path) -> None:
    """Give a tarball a time after those of all others in its directory. The clock may have been set back.

    + path: of the file
    """
    newest = max((other.stat().st_mtime_ns for other in path.parent.glob("*.tar.gz") if other != path), default=0)
    os.utime(path, ns=(time.time_ns(), max(time.time_ns(), newest + 1)))
