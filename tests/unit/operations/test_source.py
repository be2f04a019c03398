"""Revisions of real repositories, and refusals."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from operations.release import source
from operations.release.git import SourceError
from operations.release.source import take


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    run = subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on main and another on a branch of an awkward name."""
    monkeypatch.setattr(source, "RELEASES", tmp_path / "releases")
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "mix.exs").write_text("first")
    git(path, "add", ".")
    git(path, "commit", "--quiet", "--message=first")
    git(path, "checkout", "--quiet", "-b", "feature/a_b")
    (path / "mix.exs").write_text("second")
    git(path, "commit", "--quiet", "--all", "--message=second")
    git(path, "checkout", "--quiet", "main")
    return path


def content(archive: Path) -> str:
    with tarfile.open(archive) as files:
        member = files.extractfile("mix.exs")
        assert member
        return member.read().decode()


@pytest.mark.parametrize("scheme", ["", "file://"], ids=["path", "URL"])
@pytest.mark.parametrize(
    ("ref", "branch", "text"), [("main", "main", "first"), ("feature/a_b", "feature-a-b", "second")]
)
def test_a_branch(repository: Path, scheme: str, ref: str, branch: str, text: str) -> None:
    taken = take(f"{scheme}{repository}", "stage", ref, uncommitted=False)
    assert (content(taken.archive), taken.branch) == (text, branch)
    assert taken.revision == git(repository, "rev-parse", ref)
    assert (taken.archive.stat().st_mode & 0o777, taken.archive.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_revision_and_a_tag(repository: Path) -> None:
    revision = git(repository, "rev-parse", "main")
    git(repository, "tag", "v1.0")
    assert take(str(repository), "stage", revision[:7], uncommitted=False).branch == ""
    assert take(str(repository), "stage", "v1.0", uncommitted=False).branch == "v1.0"
    assert take(str(repository), "stage", "feature/a_b~1", uncommitted=False).revision == revision


def test_new_revisions_elsewhere_are_fetched(repository: Path) -> None:
    url = f"file://{repository}"
    former = take(url, "stage", "main", uncommitted=False).archive
    os.utime(former, (0, 0))
    (repository / "mix.exs").write_text("third")
    git(repository, "commit", "--quiet", "--all", "--amend", "--message=third")
    taken = take(url, "stage", "main", uncommitted=False)
    assert content(taken.archive) == "third"
    assert list(taken.archive.parent.glob("source-*.gz")) == [taken.archive]


@pytest.mark.parametrize("name", ["mix.exs", "new.ex"])
def test_uncommitted_code_is_not_silently_left_out(repository: Path, name: str) -> None:
    (repository / name).write_text("uncommitted")
    with pytest.raises(SourceError, match=rf"has uncommitted work, .* {name}\. Commit it, or .* UNCOMMITTED=1"):
        take(str(repository), "stage", "main", uncommitted=False)
    assert content(take(str(repository), "stage", "main", uncommitted=True).archive) == "first"


def test_ignored_files_are_no_uncommitted_work(repository: Path) -> None:
    (repository / ".gitignore").write_text("_build/\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message=ignore")
    (repository / "_build").mkdir()
    (repository / "_build/x").write_text("")
    assert take(str(repository), "stage", "main", uncommitted=False)


@pytest.mark.parametrize(
    ("ref", "problem"),
    [
        ("nowhere", "has no nowhere: name a branch, tag or revision with REF="),
        ("--upload-pack=x", "REF=--upload-pack=x is no branch, tag or revision"),
        ("a b", "REF=a b is no branch"),
        ("main..feature", r"REF=main\.\.feature is no branch"),
    ],
)
def test_no_revision(repository: Path, ref: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        take(str(repository), "stage", ref, uncommitted=False)


def test_no_repository(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(SourceError, match="stage has no repository to build from: set repository"):
        take(None, "stage", "main", uncommitted=False)
    with pytest.raises(SourceError, match="is no git repository"):
        take(str(tmp_path), "stage", "main", uncommitted=False)
    with pytest.raises(SourceError, match="cannot be fetched"):
        take(f"file://{repository}-elsewhere", "stage", "main", uncommitted=False)
