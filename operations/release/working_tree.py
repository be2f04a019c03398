"""A revision checked out into a directory of its own, as `git clone --recurse-submodules` would give it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from operations.release import git, placeholders
from operations.release.git import Entry, SourceError, entries

# Of the operator's repository: how its remotes are reached and its files are filtered. Never its hooks.
_OWN = r"^(url|http|credential|filter|lfs)\.|^core\.sshcommand$|^submodule\..*\.url$"


def check_out(git_directory: Path, revision: str, remote: str, tree: Path, store: Path) -> None:
    """Check a revision out, with its submodules and the files of git-lfs.

    `git archive` would leave out files that are marked `export-ignore`, submodules, and the content of LFS files.

    + git_directory: repository that has the revision; it stays as it is
    + revision: of the repository
    + remote: where submodules and LFS files are, as far as the repository does not have them
    + tree: directory that does not exist yet
    + store: directory that keeps LFS files for the next time

    Raises SourceError when a part is missing, with its name.
    """
    git.must("init", "--quiet", "--template=", str(tree))
    objects = Path(git.must("rev-parse", "--git-path", "objects", at=git_directory).rstrip("\n"))
    (tree / ".git/objects/info").mkdir(exist_ok=True)
    (tree / ".git/objects/info/alternates").write_text(f"{(git_directory / objects).resolve()}\n")
    git.must("config", "remote.origin.url", remote, at=tree)
    store.mkdir(mode=0o700, exist_ok=True)
    # The setting lfs.storage would count for a remote on this computer, too.
    (tree / ".git/lfs").symlink_to(store)
    settings = _settings(git_directory)
    git.must("checkout", "--quiet", "--detach", revision, at=tree, settings=settings)
    missing = list(_submodules(tree, git_directory, settings, ""))
    if missing:
        raise SourceError(
            f"{'; '.join(missing)}. A build must have what a checkout has: give yourself access to it, or push it. "
            "Nothing was changed."
        )
    placeholders.refuse(tree)


def _settings(git_directory: Path) -> dict[str, str]:
    """git's configuration for a checkout: the repository's own access, no hooks, and git-lfs without `git lfs install`."""
    own = git.run("config", "--local", "--null", "--get-regexp", _OWN, at=git_directory).stdout
    settings = {name: value for name, _, value in (line.partition("\n") for line in own.split("\0")[:-1])}
    lfs = git.has_lfs()
    return settings | {
        "core.hooksPath": "/dev/null",
        "core.fsmonitor": "false",
        "core.autocrlf": "false",
        "core.eol": "lf",
        "core.symlinks": "true",
        "submodule.recurse": "false",
        # Without git-lfs its files stay pointers, which are refused by name below.
        "filter.lfs.process": "git-lfs filter-process" if lfs else "",
        "filter.lfs.smudge": "git-lfs smudge -- %f" if lfs else "",
        "filter.lfs.clean": "git-lfs clean -- %f" if lfs else "",
        "filter.lfs.required": "true" if lfs else "false",
        "lfs.fetchinclude": "",
        "lfs.fetchexclude": "",
    }


def _submodules(tree: Path, git_directory: Path, settings: Mapping[str, str], above: str) -> Iterator[str]:
    """Check out the submodules of a tree, and theirs. Yields a sentence about each that cannot be had."""
    names = _names(tree)
    for entry in entries(tree):
        if entry.mode != "160000":
            continue
        shown = git.printable(f"{above}{entry.path}")
        if entry.path not in names:
            yield f"the submodule {shown} has no URL in .gitmodules"
            continue
        near = git_directory / "modules" / names[entry.path]
        problem = _submodule(tree, entry, names[entry.path], near, settings)
        if problem:
            yield f"the submodule {shown} cannot be fetched: {problem}"
        else:
            yield from _submodules(tree / entry.path, near, settings, f"{above}{entry.path}/")


def _names(tree: Path) -> dict[str, str]:
    """Names of submodules by path."""
    told = git.run(
        "config", "--file", ".gitmodules", "--null", "--get-regexp", r"^submodule\..*\.path$", at=tree
    ).stdout
    pairs = (line.partition("\n") for line in told.split("\0")[:-1])
    return {path.rstrip("/"): key.removeprefix("submodule.").removesuffix(".path") for key, _, path in pairs}


def _submodule(tree: Path, entry: Entry, name: str, near: Path, settings: Mapping[str, str]) -> str:
    """Check one submodule out. Returns git's words when that fails."""
    # A branch chooses the name, which must not lead to another repository of this computer.
    inside = not Path(name).is_absolute() and ".." not in Path(name).parts
    kept = inside and near.is_dir() and not git.run("cat-file", "-e", f"{entry.oid}^{{commit}}", at=near).returncode
    reference = ["--reference", str(near)] if kept else []
    key = f"submodule.{name}.url"
    if kept:
        # The operator's checkout has it: no network, and a commit that is not pushed yet.
        settings = {**settings, "protocol.file.allow": "always", key: str(near)}
    done = git.run(
        "--literal-pathspecs", "submodule", "--quiet", "update", "--init", "--checkout", *reference, "--", entry.path,
        at=tree, settings=settings,
    )  # fmt: skip
    if done.returncode:
        return git.words(done.stderr)
    if kept:
        # Its own submodules and LFS files are relative to where it is from.
        real = git.run("config", "remote.origin.url", at=near).stdout.rstrip("\n")
        git.must("config", "remote.origin.url", real or str(near), at=tree / entry.path)
    head = git.run("rev-parse", "HEAD", at=tree / entry.path).stdout.strip()
    return "" if head == entry.oid else f"it has no {entry.oid}"
