"""A revision of the application's repository, as an archive on this computer."""

import fcntl
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pyinfra import logger

from group_data.schema.paths import CHECKOUT, RELEASES
from operations.release import git, git_metadata, source_archive, working_tree
from operations.release.git import SourceError

# Seconds after which an archive of another revision goes: until then another build may be on its way to send it.
_KEPT = 3600

_MODULES = (
    Path(__file__),
    *(
        Path(__file__).with_name(f"{name}.py")
        for name in ("working_tree", "placeholders", "git_metadata", "source_archive")
    ),
)

# Names the way of making an archive: an archive that was made in another way does not count, nor does a build of it.
RECIPE = hashlib.sha256(b"\0".join(module.read_bytes() for module in _MODULES)).hexdigest()[:12]


# git's name of the branch that is built when none is named.
MAIN = "refs/heads/main"


class Source(NamedTuple):
    """One revision.

    + archive: .tar.gz with its files
    + revision: 40 hexadecimal digits
    + branch: the given branch or tag, in the characters of a version; empty if the revision itself was given
    + ref: git's name of the branch or tag, such as refs/heads/main; empty if the revision itself was given
    """

    archive: Path
    revision: str
    branch: str
    ref: str


def take(repository: str | None, environment: str, ref: str, *, uncommitted: bool) -> Source:
    """The archive of a revision, made if it does not exist yet.

    + repository: URL, or path relative to this checkout
    + environment: short name, for the messages
    + ref: branch, tag or revision
    + uncommitted: allow uncommitted changes in the working tree; the archive does not contain them

    Raises SourceError when there is no repository or no such revision, or when the working tree has changes.
    """
    if not repository:
        raise SourceError(
            f"{environment} has no repository to build from: set repository in group_data/all.py. Nothing was changed."
        )
    if not re.fullmatch(r"[A-Za-z0-9_./][A-Za-z0-9_./~^-]*", ref) or ".." in ref:
        raise SourceError(f"REF={ref} is no branch, tag or revision. Nothing was changed.")
    directory = _local(repository)
    if directory and not uncommitted:
        _refuse_uncommitted(directory)
    with _alone():
        git_directory = _git_directory(directory) if directory else _fetched(repository)
        revision, full = _resolved(git_directory, ref, repository)
        archive = RELEASES / f"source-{revision}-{RECIPE}.tar.gz"
        if not archive.exists():
            _make(archive, git_directory, revision, _remote(directory, git_directory) if directory else repository)
        _remove_others(archive)
    branch = "" if revision.startswith(ref) else re.sub(r"[^0-9A-Za-z.-]", "-", ref)
    return Source(archive, revision, branch, full)


@contextmanager
def _alone() -> Iterator[None]:
    """Keeps two commands on this computer apart, so that anything half made is left over from a killed one."""
    RELEASES.mkdir(mode=0o700, exist_ok=True)
    with (RELEASES / "source.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in RELEASES.glob("source.tmp.*"):
            shutil.rmtree(left)
        yield


def _make(archive: Path, git_directory: Path, revision: str, remote: str) -> None:
    # The partial archive lies beside the archive, and gets its name last.
    work = Path(tempfile.mkdtemp(dir=RELEASES, prefix="source.tmp."))
    try:
        working_tree.check_out(git_directory, revision, remote, work / "tree", RELEASES / "lfs")
        seconds = int(git.must("show", "--no-patch", "--format=%ct", revision, at=git_directory))
        git_metadata.write(work / "git", git_directory, revision)
        source_archive.write(work / "tree", work / "archive", seconds, work / "git")
        (work / "archive").rename(archive)
    finally:
        shutil.rmtree(work)


def _remove_others(archive: Path) -> None:
    archive.touch()
    for other in set(RELEASES.glob("source-*")) - {archive}:
        if time.time() - other.stat().st_mtime > _KEPT:
            other.unlink()


def _local(repository: str) -> Path | None:
    path = CHECKOUT / repository
    return path if path.is_dir() else None


def _git_directory(directory: Path) -> Path:
    run = git.run("rev-parse", "--absolute-git-dir", at=directory)
    if run.returncode:
        raise SourceError(f"{directory} is no git repository: git init there, and commit. Nothing was changed.")
    return Path(run.stdout.rstrip("\n"))


def _remote(directory: Path, git_directory: Path) -> str:
    """Where a repository on this computer is from: URLs of submodules may be relative to that, and LFS files are there."""
    there = git.run("rev-parse", "--show-toplevel", at=directory).stdout.rstrip("\n") or str(git_directory)
    names = git.run("remote", at=directory).stdout.splitlines()
    name = names[0] if len(names) == 1 else "origin"
    url = git.run("config", f"remote.{name}.url", at=directory).stdout.rstrip("\n") or there
    # A path counts from the top of the repository.
    return url if re.match(r"[^/]*:", url) else str((Path(there) / url).resolve())


def _refuse_uncommitted(directory: Path) -> None:
    changed = git.run("status", "--porcelain", "--", ".", at=directory).stdout.splitlines()
    if changed:
        names = git.printable(", ".join(line[3:] for line in changed[:5])) + (", …" if len(changed) > 5 else "")
        raise SourceError(
            f"{directory} has uncommitted work, which would not be in the build: {names}. Commit it, or build without it: "
            "UNCOMMITTED=1. Nothing was changed."
        )


def _fetched(repository: str) -> Path:
    """A bare, current copy of a repository elsewhere."""
    copy = RELEASES / "repository.git"
    git.must("init", "--quiet", "--bare", "--template=", str(copy))
    # A killed git leaves its locks.
    for left in copy.rglob("*.lock"):
        left.unlink()
    fetch = git.run(
        "fetch", "--quiet", "--prune", "--tags", "--force", repository, "+refs/heads/*:refs/heads/*", at=copy
    )
    if fetch.returncode:
        raise SourceError(f"{git.words(repository)} cannot be fetched: {git.words(fetch.stderr)}. Nothing was changed.")
    return copy


def _resolved(git_directory: Path, ref: str, repository: str) -> tuple[str, str]:
    """The revision of a branch, tag or revision, and git's whole name of the branch or tag, empty for a revision.

    git itself would take a tag before a branch of the same name.
    """
    name, steps = re.fullmatch(r"([^~^]*)(.*)", ref, re.DOTALL).groups()  # type: ignore[union-attr]
    found = {
        kind: run.stdout.strip()
        for kind in ("refs/heads/", "refs/tags/", "")
        if not (
            run := git.run("rev-parse", "--verify", "--quiet", f"{kind}{name}{steps}^{{commit}}", at=git_directory)
        ).returncode
    }
    if not found:
        raise SourceError(f"{repository} has no {ref}: name a branch, tag or revision with REF=. Nothing was changed.")
    branch, tag = found.get("refs/heads/"), found.get("refs/tags/")
    if branch and tag and branch != tag:
        logger.warning("%s is a branch and a tag: the branch counts; REF=tags/%s names the tag", name, name)
    kind, revision = next(iter(found.items()))
    return revision, kind and kind + name
