"""The example application in a git repository of its own, with a next version to upgrade to."""

import shutil
import subprocess
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples/billing"

# The commits' author: the computer may have none, and git then refuses to commit.
_AUTHOR = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com")


def make_repository(path: Path) -> Path:
    """Make a repository with version 0.1.0 on main. Returns its path.

    + path: path of the repository; a former one is replaced
    """
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(EXAMPLE, path, ignore=shutil.ignore_patterns("_build"))
    _git(path, "init", "--quiet", "--initial-branch=main")
    # The example has two migrations. This version only knows the first.
    (path / "priv").mkdir()
    (path / "priv/migrations").write_text("1\n")
    _commit(path, "Version 0.1.0")
    return path


def commit_next_version(path: Path) -> None:
    """Commit version 0.2.0, with a second migration.

    + path: path of the repository
    """
    mix = path / "mix.exs"
    mix.write_text(mix.read_text().replace('version: "0.1.0"', 'version: "0.2.0"'))
    (path / "priv/migrations").write_text("2\n")
    _commit(path, "Version 0.2.0")


def _commit(path: Path, message: str) -> None:
    _git(path, "add", "--all")
    _git(path, *_AUTHOR, "commit", "--quiet", f"--message={message}")


def _git(path: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(path), *arguments], check=True)
