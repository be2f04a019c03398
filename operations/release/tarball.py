"""A release's tarball on this computer."""

import gzip
import hashlib
import tarfile
from pathlib import Path
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.version import is_version


class TarballError(PyinfraError):
    """A file that cannot be released. A PyinfraError, because only those are shown without a traceback."""


class Tarball(NamedTuple):
    """What one says about itself.

    + path: where it is
    + version: that it boots, by its releases/start_erl.data
    + sha256: of the file
    + size: of the file, in bytes
    + build: what it was built from, if a build left that beside the tarball: lines that read name=value
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
    """What a tarball says about itself, read to its end.

    Raises TarballError when it is missing, broken, no release, or not what the `.sha256` beside it says.
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
    """The version it boots; the whole file is read, so that one that is cut off shows."""
    version = None
    with gzip.open(path) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.name.removeprefix("./") == "releases/start_erl.data" and (
                    file := archive.extractfile(member)
                ):
                    version = file.read(1000).decode().split()[-1]
        # tarfile stops where the archive says it ends; the checksum that shows a broken file comes after that.
        while stream.read(1 << 20):
            pass
    return version


def _beside(path: Path, suffix: str) -> str:
    file = path.with_name(path.name + suffix)
    return file.read_text() if file.exists() else ""
