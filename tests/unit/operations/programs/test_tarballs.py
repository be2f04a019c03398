"""The store of tarballs: uploads, list and handover."""

import hashlib
import os
import pwd
import subprocess
import time
from pathlib import Path

import pytest

from operations.release.artifacts import Artifact, ArtifactsInStore
from tests.unit.operations.programs.sandboxed import Sandbox

CONTENT = b"a tarball"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NOTES = "revision=abc\nbuilt_for=-\n"


@pytest.fixture
def store(sandbox: Sandbox) -> Path:
    """The directory of the store."""
    path = sandbox.directory / "store"
    path.mkdir()
    return path


def upload(sandbox: Sandbox, store: Path, digest: str = DIGEST) -> subprocess.CompletedProcess[str]:
    uploads = sandbox.directory / "uploads"
    uploads.mkdir()
    for name in ("billing-prod-1", "billing-prod-2", "billing-stage-1"):
        (uploads / name).write_bytes(CONTENT)
    place = store / "billing-0.2.0.tar.gz"
    return sandbox.run("store_artifact.sh", str(uploads / "billing-prod-2"), str(place), digest, stdin=NOTES)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_an_upload_is_stored_with_its_checksum_and_notes(sandbox: Sandbox, store: Path) -> None:
    done = upload(sandbox, store)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert {path.name: path.read_text() for path in store.iterdir()} == {
        "billing-0.2.0.tar.gz": CONTENT.decode(),
        "billing-0.2.0.tar.gz.sha256": f"{DIGEST}  billing-0.2.0.tar.gz\n",
        "billing-0.2.0.tar.gz.build": NOTES,
    }
    assert {path.stat().st_mode & 0o777 for path in store.iterdir()} == {0o600}
    subprocess.run(["sha256sum", "--check", "--status", "billing-0.2.0.tar.gz.sha256"], cwd=store, check=True)


def test_remains_of_uploads_to_the_same_environment_go(sandbox: Sandbox, store: Path) -> None:
    upload(sandbox, store)
    assert names(sandbox.directory / "uploads") == ["billing-stage-1"]


def test_an_upload_that_is_cut_off_is_not_stored(sandbox: Sandbox, store: Path) -> None:
    done = upload(sandbox, store, digest="0" * 64)
    assert (done.returncode, done.stderr) == (
        1,
        "the tarball did not arrive whole, its checksum differs: release it again; nothing was changed\n",
    )
    assert names(store) == []
    assert names(sandbox.directory / "uploads") == ["billing-stage-1"]


@pytest.mark.parametrize("failing", ["cp", "mv"])
def test_a_full_disk_leaves_nothing_that_has_a_tarballs_name(sandbox: Sandbox, store: Path, failing: str) -> None:
    sandbox.stub(failing, "exit 1")
    assert upload(sandbox, store).returncode == 1
    assert not [name for name in names(store) if name.endswith((".gz", ".part"))]


def put(store: Path, version: str, age: int, *, app: str = "billing", notes: str = "", checked: bool = True) -> None:
    """A tarball in the store, of so many seconds ago."""
    tarball = store / f"{app}-{version}.tar.gz"
    tarball.write_bytes(CONTENT)
    os.utime(tarball, (1_000_000_000 - age, 1_000_000_000 - age))
    if notes:
        Path(f"{tarball}.build").write_text(notes)
    if checked:
        Path(f"{tarball}.sha256").write_text(f"{DIGEST}  {tarball.name}\n")


def listed(sandbox: Sandbox, store: Path) -> list[Artifact]:
    done = sandbox.run("list_artifacts.sh", str(store), "billing")
    assert (done.returncode, done.stderr) == (0, "")
    return ArtifactsInStore().process(done.stdout.splitlines())


def test_tarballs_are_listed_newest_first(sandbox: Sandbox, store: Path) -> None:
    notes = "revision=abc\nbranch=main\ndistribution=Debian 13\nbuilt_for=prod\nrecipe=def\nsecrets=built in\n"
    put(store, "0.1.0", 30, notes=notes)
    put(store, "0.2.0+20260201-main-abc", 10)
    put(store, "0.1.1", 20, checked=False)
    put(store, "9.9.9", 5, app="other")
    (store / "billing-0.3.0.tar.gz.part").touch()
    size = len(CONTENT)
    assert listed(sandbox, store) == [
        Artifact("0.2.0+20260201-main-abc", DIGEST, size),
        Artifact("0.1.1", "", size),
        Artifact("0.1.0", DIGEST, size, "abc", "Debian 13", "prod", "def", "built in"),
    ]


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_a_tarball_that_comes_is_the_newest_also_when_the_clock_was_set_back(
    sandbox: Sandbox, store: Path, ahead: int
) -> None:
    """An upload, one of another store, and one that was built already."""
    others = sandbox.directory / "others"
    others.mkdir()
    put(others, "0.4.0", 0, notes=NOTES)
    put(store, "0.3.0", 0, notes=NOTES)
    put(store, "0.1.0", 0, notes=NOTES)
    later = time.time() + ahead
    os.utime(store / "billing-0.1.0.tar.gz", (later, later))
    assert upload(sandbox, store).returncode == 0
    assert [one.version for one in listed(sandbox, store)] == ["0.2.0", "0.1.0", "0.3.0"]
    sandbox.run("take_artifact.sh", str(others / "billing-0.4.0.tar.gz"), str(store / "billing-0.4.0.tar.gz"), DIGEST)
    assert [one.version for one in listed(sandbox, store)] == ["0.4.0", "0.2.0", "0.1.0", "0.3.0"]
    assert sandbox.run("renew_artifact.sh", str(store / "billing-0.3.0.tar.gz")).returncode == 0
    assert [one.version for one in listed(sandbox, store)] == ["0.3.0", "0.4.0", "0.2.0", "0.1.0"]


@pytest.mark.parametrize("made", [True, False])
def test_a_store_without_tarballs_lists_none(sandbox: Sandbox, store: Path, *, made: bool) -> None:
    # The directory that the program begins in is not the store.
    put(sandbox.directory, "0.1.0", 0)
    assert listed(sandbox, store if made else store / "missing") == []


def hand_over(sandbox: Sandbox, store: Path, version: str) -> subprocess.CompletedProcess[str]:
    user = pwd.getpwuid(os.getuid()).pw_name
    sandbox.stub("getent", f"echo '{user}:x:0:0::{sandbox.directory}:/bin/sh'")
    return sandbox.run("hand_over_build.sh", str(store), f"billing-{version}.tar.gz", ".uploads", SUDO_USER=user)


def test_the_build_of_this_run_is_handed_over_with_its_files(sandbox: Sandbox, store: Path) -> None:
    put(store, "0.2.0", 20, notes=NOTES)
    # Somebody else's build is newer.
    put(store, "0.3.0", 10, notes=NOTES)
    done = hand_over(sandbox, store, "0.2.0")
    expected = ["billing-0.2.0.tar.gz.sha256", "billing-0.2.0.tar.gz.build", "billing-0.2.0.tar.gz"]
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (0, expected, "")
    uploads = sandbox.directory / ".uploads"
    assert names(uploads) == sorted(expected)
    assert uploads.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in uploads.iterdir()} == {0o600}


def test_without_this_build_nothing_is_handed_over(sandbox: Sandbox, store: Path) -> None:
    put(store, "0.3.0", 10, notes=NOTES)
    done = hand_over(sandbox, store, "0.2.0")
    assert (done.returncode, done.stdout) == (1, "")


def take(sandbox: Sandbox, store: Path, digest: str = DIGEST) -> tuple[int, str, Path]:
    """A tarball goes to another store: exit code, error, and that store."""
    other = sandbox.directory / "other"
    other.mkdir(exist_ok=True)
    names_ = [str(directory / "billing-0.1.0.tar.gz") for directory in (store, other)]
    done = sandbox.run("take_artifact.sh", *names_, digest)
    return done.returncode, done.stderr, other


def test_a_tarball_of_another_store_comes_with_its_notes(sandbox: Sandbox, store: Path) -> None:
    put(store, "0.1.0", 20, notes=NOTES)
    code, error, other = take(sandbox, store)
    assert (code, error) == (0, "")
    expected = ["billing-0.1.0.tar.gz", "billing-0.1.0.tar.gz.build", "billing-0.1.0.tar.gz.sha256"]
    assert names(other) == names(store) == expected
    assert [(other / name).read_bytes() for name in expected] == [(store / name).read_bytes() for name in expected]
    assert {path.stat().st_mode & 0o777 for path in other.iterdir()} == {0o600}
    # It is the newest there.
    assert (other / expected[0]).stat().st_mtime > (store / expected[0]).stat().st_mtime


def test_a_tarball_of_another_store_that_was_changed_is_refused(sandbox: Sandbox, store: Path) -> None:
    put(store, "0.1.0", 20, notes=NOTES)
    (store / "billing-0.1.0.tar.gz").write_bytes(b"changed")
    code, error, other = take(sandbox, store)
    assert (code, names(other)) == (1, [])
    assert "is not what was built, its checksum differs: build it anew; nothing was changed" in error


@pytest.mark.parametrize("checksum", ["", "\0" * 70])
def test_a_tarball_whose_checksum_a_power_cut_took_is_not_listed_and_removed(
    sandbox: Sandbox, store: Path, checksum: str
) -> None:
    put(store, "0.1.0", 20)
    put(store, "0.1.1", 10, notes=NOTES)
    (store / "billing-0.1.1.tar.gz.sha256").write_text(checksum)
    (store / "billing-0.0.9.tar.gz.upload").touch()
    # A build may be at work.
    (store / "billing-0.0.8.tar.gz.part").touch()
    assert [artifact.version for artifact in listed(sandbox, store)] == ["0.1.0"]
    assert upload(sandbox, store).returncode == 0
    kept = ["billing-0.0.8.tar.gz.part", "billing-0.1.0.tar.gz", "billing-0.1.0.tar.gz.sha256"]
    assert [name for name in names(store) if "0.2.0" not in name] == kept
