"""environment_root.sh: what it finds otherwise, and that it follows no link. Hosts show the owners (tests/host)."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

ME = pwd.getpwuid(os.getuid()).pw_name


class Root:
    """An environment's root on a host where everybody is the user of this process, and root is called so.

    + sandbox: an empty one
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.path = sandbox.directory / "home/stage"
        self.path.parent.mkdir()
        sandbox.stub("chown", f'echo "$*" >> {sandbox.directory}/chowned')

    def run(self, what: str, *, readable: str = "yes") -> subprocess.CompletedProcess[str]:
        words = [str(self.path), ME, "somebody", readable, "private=700", "uploads=750"]
        return self._sandbox.run("environment_root.sh", what, *words)

    @property
    def chowned(self) -> list[str]:
        return (self._sandbox.directory / "chowned").read_text().splitlines()


@pytest.fixture
def root(sandbox: Sandbox) -> Root:
    return Root(sandbox)


def test_a_root_is_made_with_the_applications_own_directories(root: Root) -> None:
    assert root.run("look").stdout == f"make {root.path}\n"
    done = root.run("set")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (root.path, *root.path.iterdir())}
    assert modes == {"stage": 0o755, "private": 0o700, "uploads": 0o750}
    assert root.chowned == ["root:root .", f"-hR {ME}:{ME} ./private", f"-hR {ME}:{ME} ./uploads"]


def test_a_mode_that_differs_is_found_and_mended(root: Root) -> None:
    root.run("set")
    (root.path / "uploads").chmod(0o777)
    (root.path / "private").rmdir()
    looked = root.run("look").stdout.splitlines()
    assert f"make {root.path}/private" in looked
    assert f"own {root.path}/uploads" in looked
    root.run("set")
    assert (root.path / "uploads").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("readable", ["yes", "no"])
def test_releases_are_readable_to_others_unless_they_hold_secrets(root: Root, readable: str) -> None:
    root.run("set")
    release = root.path / "releases/0.1.0/bin"
    release.mkdir(parents=True)
    (release / "billing").touch(mode=0o600 if readable == "yes" else 0o755)
    (release.parent).chmod(0o700 if readable == "yes" else 0o755)
    assert f"own {root.path}/releases" in root.run("look", readable=readable).stdout.splitlines()
    root.run("set", readable=readable)
    mode = (release / "billing").stat().st_mode & 0o777
    assert mode in ((0o644, 0o755) if readable == "yes" else (0o640, 0o750))
    assert (root.path / "releases").stat().st_mode & 0o777 == (0o755 if readable == "yes" else 0o750)


@pytest.mark.parametrize("name", [".", "private", "uploads"])
def test_a_link_is_refused_and_what_it_names_stays(root: Root, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o711)
    if name != ".":
        root.path.mkdir()
    link = root.path if name == "." else root.path / name
    link.symlink_to(elsewhere)
    assert root.run("look").stdout.splitlines()[-1].startswith("make ") or name != "."
    done = root.run("set")
    assert (done.returncode, f"{link} is a link: remove it; nothing was changed there" in done.stderr) == (1, True)
    assert elsewhere.stat().st_mode & 0o777 == 0o711
    assert list(elsewhere.iterdir()) == []


def test_the_directory_of_another_environment_is_not_taken(root: Root, sandbox: Sandbox) -> None:
    root.run("set")
    sandbox.stub("stat", "echo billing_prod")
    done = root.run("set")
    assert done.returncode == 1
    assert "belongs to billing_prod: it is of somebody else; nothing was changed there" in done.stderr
