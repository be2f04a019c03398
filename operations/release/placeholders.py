"""Files that stand for a content which git does not have: a build would ship them as they are."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from operations.release import git
from operations.release.git import SourceError

_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:[a-z0-9.-]+ [^\n]*\n)*oid sha256:[0-9a-f]{64}\n"
)

# Bytes: a pointer is never longer.
_POINTER_SIZE = 1024

# As many names of files are in a message.
_NAMES = 5


def refuse(tree: Path) -> None:
    """Refuse a tree with pointers of git LFS, or files of git-crypt and git-annex without their content.

    + tree: a working tree; its submodules are looked at, too

    Raises SourceError with the names of the first files, and the way out.
    """
    found: dict[str, list[str]] = {}
    for path, tool in _find(tree, ""):
        found.setdefault(tool, []).append(path)
    for tool, paths in found.items():
        if tool == "git LFS":
            raise SourceError(
                f"files of git LFS would be in the build as pointers: {_listed(paths)}. {_way_out()}. A file that shall "
                "look like a pointer needs -filter in .gitattributes. Nothing was changed."
            )
        raise SourceError(
            f"files of {tool} would be in the build without their content: {_listed(paths)}. Keep in the repository what "
            "a build needs; secrets belong into the vault. Nothing was changed."
        )


def _way_out() -> str:
    if git.has_lfs():
        return "git-lfs did not bring their content: git add --renormalize . and commit, if .gitattributes lacks them"
    return "Install git-lfs on this computer (Debian's package git-lfs), and build again"


def _find(tree: Path, above: str) -> Iterator[tuple[str, str]]:
    """Path of each placeholder, and the tool that it belongs to."""
    pointers = []
    for entry in git.entries(tree):
        path = tree / entry.path
        if entry.mode == "160000":
            yield from _find(path, f"{above}{entry.path}/")
        elif path.is_symlink():
            if ".git/annex/objects/" in os.fspath(path.readlink()):
                yield f"{above}{entry.path}", "git-annex"
        else:
            with path.open("rb") as file:
                start = file.read(_POINTER_SIZE + 1)
            if start.startswith(b"\0GITCRYPT\0"):
                yield f"{above}{entry.path}", "git-crypt"
            elif len(start) <= _POINTER_SIZE and _POINTER.match(start):
                pointers.append(entry.path)
    for name, filter_ in _filters(tree, pointers):
        if filter_ != "unset":
            yield f"{above}{name}", "git LFS"


def _filters(tree: Path, paths: list[str]) -> Iterator[tuple[str, str]]:
    """The attribute `filter` of each path."""
    if paths:
        told = git.must("check-attr", "-z", "--stdin", "filter", at=tree, stdin="".join(f"{path}\0" for path in paths))
        words = told.split("\0")
        yield from zip(words[0::3], words[2::3], strict=False)


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - _NAMES} more" if len(paths) > _NAMES else ""
    return ", ".join(git.printable(path) for path in sorted(paths)[:_NAMES]) + more
