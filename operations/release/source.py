"""A revision of the application's repository, as an archive on this computer."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.paths import CHECKOUT, RELEASES

# git must not ask for a password, and ssh must not ask for a passphrase or about a host's key.
_SILENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": "ssh -o BatchMode=yes"}


class SourceError(PyinfraError):
    """A revision that is missing or cannot be built. A PyinfraError, because only those are shown without a traceback."""


class Source(NamedTuple):
    """One revision.

    + archive: .tar.gz with its files
    + revision: 40 hexadecimal digits
    + branch: the given branch or tag, in the characters of a version; empty if the revision itself was given
    """

    archive: Path
    revision: str
    branch: str


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
    git_directory = _git_directory(directory) if directory else _fetched(repository)
    revision = _resolved(git_directory, ref, repository)
    RELEASES.mkdir(mode=0o700, exist_ok=True)
    archive = RELEASES / f"source-{revision}.tar.gz"
    if not archive.exists():
        partial = archive.with_suffix(".part")
        _git(git_directory, "archive", "--format=tar.gz", f"--output={partial}", revision)
        partial.chmod(0o600)
        partial.rename(archive)
        for other in set(RELEASES.glob("source-*.tar.gz")) - {archive}:
            other.unlink()
    return Source(archive, revision, "" if revision.startswith(ref) else re.sub(r"[^0-9A-Za-z.-]", "-", ref))


def _local(repository: str) -> Path | None:
    path = CHECKOUT / repository
    return path if path.is_dir() else None


def _git_directory(directory: Path) -> Path:
    run = _run("-C", str(directory), "rev-parse", "--absolute-git-dir")
    if run.returncode:
        raise SourceError(f"{directory} is no git repository: git init there, and commit. Nothing was changed.")
    return Path(run.stdout.strip())


def _refuse_uncommitted(directory: Path) -> None:
    changed = _run("-C", str(directory), "status", "--porcelain", "--", ".").stdout.splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:5]) + (", …" if len(changed) > 5 else "")
        raise SourceError(
            f"{directory} has uncommitted work, which would not be in the build: {names}. Commit it, or build without it: "
            "UNCOMMITTED=1. Nothing was changed."
        )


def _fetched(repository: str) -> Path:
    """A bare, current copy of a repository elsewhere."""
    copy = RELEASES / "repository.git"
    RELEASES.mkdir(mode=0o700, exist_ok=True)
    _run("init", "--quiet", "--bare", str(copy))
    fetch = _run(
        "-C", str(copy), "fetch", "--quiet", "--prune", "--tags", "--force", repository, "+refs/heads/*:refs/heads/*"
    )
    if fetch.returncode:
        raise SourceError(f"{repository} cannot be fetched: {fetch.stderr.strip()}. Nothing was changed.")
    return copy


def _resolved(git_directory: Path, ref: str, repository: str) -> str:
    run = _run(f"--git-dir={git_directory}", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if run.returncode:
        raise SourceError(f"{repository} has no {ref}: name a branch, tag or revision with REF=. Nothing was changed.")
    return run.stdout.strip()


def _git(git_directory: Path, *arguments: str) -> None:
    run = _run(f"--git-dir={git_directory}", *arguments)
    if run.returncode:
        raise SourceError(f"git {arguments[0]}: {run.stderr.strip()}. Nothing was changed.")


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        env=os.environ | _SILENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
