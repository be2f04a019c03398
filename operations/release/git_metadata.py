"""The small .git of an archive: enough for a `mix.exs` that asks git for its revision, its tags or its last commit."""

from pathlib import Path

from operations.release import git


def write(directory: Path, git_directory: Path, revision: str) -> None:
    """Write a repository with all commits and tags up to a revision, its directories, and no content of files.

    The revision is checked out by itself, as in CI. `git rev-parse`, `log`, `show --no-patch`, `describe` with `--tags` and
    `--dirty`, and `rev-list --count` answer as in a clone. Whatever needs contents of files, such as `git diff`, fails.
    No hook, URL or password of the repository is in it.

    + directory: the new .git
    + git_directory: repository that has the revision
    + revision: the commit
    """
    git.must("init", "--quiet", "--bare", "--template=", str(directory))
    for name, value in {"core.bare": "false", "core.logAllRefUpdates": "false"}.items():
        git.must("config", name, value, at=directory)
    shallow = git_directory / git.must("rev-parse", "--git-path", "shallow", at=git_directory).rstrip("\n")
    if shallow.exists():
        (directory / "shallow").write_bytes(shallow.read_bytes())
    tags = _tags(git_directory, revision)
    # The same bytes, however the repository keeps its objects.
    objects = "".join(f"{oid}\n" for oid in sorted(_objects(git_directory, revision) | set(tags.values())))
    git.must(
        "pack-objects", "--quiet", "--threads=1", "--window=0", "--no-reuse-object", str(directory / "objects/pack/pack"),
        at=git_directory, stdin=objects,
    )  # fmt: skip
    git.must(
        "update-ref", "--stdin", at=directory, stdin="".join(f"create {name} {oid}\n" for name, oid in tags.items())
    )
    (directory / "HEAD").write_text(f"{revision}\n")
    git.must("pack-refs", "--all", at=directory)
    git.must(f"--git-dir={directory}", "read-tree", revision)


def _objects(git_directory: Path, revision: str) -> set[str]:
    commits = git.must("rev-list", revision, at=git_directory)
    # With those of the commits before: `git show` compares the two.
    trees = git.must(
        "rev-list", "--objects", "--no-object-names", "--filter=blob:none", "--no-walk", revision, f"{revision}^@",
        at=git_directory,
    )  # fmt: skip
    return {*commits.split(), *trees.split()}


def _tags(git_directory: Path, revision: str) -> dict[str, str]:
    """Object of each tag that the revision contains."""
    told = git.must(
        "for-each-ref", f"--merged={revision}", "--format=%(refname) %(objectname)", "refs/tags", at=git_directory
    )
    lines = (line.rpartition(" ") for line in told.splitlines())
    return {name: oid for name, _, oid in lines}
