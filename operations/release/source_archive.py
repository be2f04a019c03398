"""The archive of a working tree: the same bytes for the same revision, and nothing but what git has."""

import gzip
import os
import tarfile
from pathlib import Path


def write(tree: Path, archive: Path, seconds: int, metadata: Path) -> None:
    """Write all of a tree into a .tar.gz, which is on the disk when this returns.

    Modes are git's: 755 for programs and directories, 644 for other files. Links stay links. Names are bytes.

    + tree: directory
    + archive: file, readable by its user alone
    + seconds: time of all files, since 1970
    + metadata: goes into the archive as .git, in place of the tree's own; a submodule has none
    """
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=6) as packed,
            # GNU's format has room for names of any length and of any bytes.
            tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as tar,
        ):
            _add(tar, metadata, ".git", seconds)
            for name in sorted(path.name for path in tree.iterdir() if path.name != ".git"):
                _add(tar, tree / name, name, seconds)
        file.flush()
        os.fsync(file.fileno())


def _add(tar: tarfile.TarFile, path: Path, name: str, seconds: int) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = seconds
    if path.is_symlink():
        # A Path would write ./x as x.
        member.type, member.mode, member.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)  # noqa: PTH115
        tar.addfile(member)
    elif path.is_dir():
        member.type, member.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(member)
        for below in sorted(below.name for below in path.iterdir() if below.name != ".git"):
            _add(tar, path / below, f"{name}/{below}", seconds)
    else:
        status = path.stat()
        member.size, member.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
        with path.open("rb") as content:
            tar.addfile(member, content)
