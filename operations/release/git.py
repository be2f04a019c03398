"""git on this computer: never asks anything, and takes nothing from the repository that git was started in."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

# A hook or `git bisect run` sets these, and they would lead every git to another repository.
_OF_A_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_LFS_SKIP_SMUDGE",
        "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_WORK_TREE",
    }
)  # fmt: skip


# What git and git-lfs say around the reason.
_REPEATED = re.compile(
    r"Cloning into |Failed to clone |fatal: clone of |Downloading |Errors logged to |Use `git lfs logs"
)


class SourceError(PyinfraError):
    """A revision that is missing or cannot be built. A PyinfraError, because only those are shown without a traceback."""


def run(
    *arguments: str, at: Path | None = None, settings: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git. Bytes of names that are no UTF-8 come as Python's surrogates.

    + arguments: of git
    + at: directory that git works in
    + settings: git's configuration for this call, its submodules and filters; private, unlike arguments
    + stdin: standard input
    """
    place = ["-C", str(at)] if at else []
    if not shutil.which("git"):
        raise SourceError("git is missing on this computer: install it. Nothing was changed.")
    return subprocess.run(
        ["git", *place, *arguments],
        env=_environment(settings or {}),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )


def must(*arguments: str, at: Path | None = None, settings: Mapping[str, str] | None = None, stdin: str = "") -> str:
    """Run git, and return its output.

    Raises SourceError with git's own words when it fails. Parameters as in `run`.
    """
    done = run(*arguments, at=at, settings=settings, stdin=stdin)
    if done.returncode:
        raise SourceError(f"git {arguments[0]}: {words(done.stderr)}. Nothing was changed.")
    return done.stdout


def words(text: str) -> str:
    """What git said, on one line, without its repetitions and without the password of a URL.

    + text: output of git
    """
    lines = [line.strip() for line in printable(text, keep="\n").splitlines()]
    said = dict.fromkeys(line for line in lines if line and not _REPEATED.match(line))
    return re.sub(r"(://)[^/@\s]+@", r"\1", " | ".join(said or lines)).rstrip(".")


def printable(text: str, keep: str = "") -> str:
    """The text with a question mark for everything that a terminal might obey or cannot show.

    + text: a name from a repository
    + keep: further characters to keep
    """
    return "".join(letter if letter.isprintable() or letter in keep else "?" for letter in text)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    mine = {name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY}
    # git must not ask for a password, and ssh must not ask for a passphrase or about a host's key.
    mine |= {"GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": f"{_ssh(mine)} -o BatchMode=yes"}
    first = int(mine.get("GIT_CONFIG_COUNT") or 0)
    for number, (name, value) in enumerate(settings.items(), first):
        mine |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return mine | {"GIT_CONFIG_COUNT": str(first + len(settings))}


def _ssh(mine: Mapping[str, str]) -> str:
    """The operator's own ssh, which the variable would replace."""
    if mine.get("GIT_SSH_COMMAND"):
        return mine["GIT_SSH_COMMAND"]
    chosen = subprocess.run(
        ["git", "config", "core.sshCommand"], env=mine, capture_output=True, text=True, check=False
    ).stdout.strip()
    return chosen or "ssh"


def has_lfs() -> bool:
    """Whether git-lfs is on this computer."""
    return shutil.which("git-lfs") is not None


class Entry(NamedTuple):
    """A file of git's index.

    + mode: such as 100755; 160000 is a submodule
    + oid: of its content, or commit of the submodule
    + path: relative to the tree
    """

    mode: str
    oid: str
    path: str


def entries(tree: Path) -> list[Entry]:
    """All files of a tree, without those inside submodules.

    + tree: a tree of `check_out`, or a submodule in it
    """
    found = []
    for line in must("ls-files", "--stage", "-z", at=tree).split("\0")[:-1]:
        facts, path = line.split("\t", 1)
        mode, oid, _ = facts.split(" ")
        found.append(Entry(mode, oid, path))
    return found
