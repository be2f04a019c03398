"""Programs on a disk that forgets, cut off at each of their calls. No machine is booted: their folder is the host.

After a cut the journal of the disk has the names or not, and never the content of a file that nobody synced.
"""

import hashlib
import os
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from operations.host import program
from operations.release.artifacts import ArtifactsInStore
from operations.release.history import ReleasesOnHost
from tests.sandbox.forgetful import ForgetfulDisk, run
from tests.unit.operations.programs.stubs import StubHost

OLD, NEW = "20260101000000", "20260201000000"

# Commands at whose calls the power goes.
WATCHED = ("ln", "mv", "rm", "sync")

_STAND_IN = """\
echo call >> "$OUTSIDE/calls"
[ -e "$OUTSIDE/at" ] && read -r at < "$OUTSIDE/at" && [ "$(wc -l < "$OUTSIDE/calls")" = "$at" ] || exec {real} "$@"
{work}
: > "$OUTSIDE/reached"
exec /bin/sleep 60
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[ForgetfulDisk]:
    """An empty disk."""
    # Without ext4's own help for a rename over an existing file, which other file systems lack.
    disk = ForgetfulDisk(tmp_path / "image", tmp_path / "disk", "noauto_da_alloc")
    disk.create(256 * 1024**2)
    try:
        yield disk
    finally:
        run("umount", "--lazy", str(disk.place))


def watch(directory: Path, *, after: bool) -> None:
    """The commands in the directory stand still at the call whose number is in the file `at`."""
    for name in WATCHED:
        path = directory / name
        path.unlink(missing_ok=True)
        work = f'{{ /bin/{name} "$@"; }}' if after else ""
        path.write_text("#!/bin/sh\n" + _STAND_IN.format(real=f"/bin/{name}", work=work))
        path.chmod(0o755)


def cut_off(process: "subprocess.Popen[str]", disk: ForgetfulDisk, outside: Path, *, names: bool) -> str:
    """Cut the power when the process stands still or has ended. Returns what it said; the disk is mounted again.

    + outside: directory that no cut reaches
    + names: whether the journal has the names by then
    """
    deadline = time.monotonic() + 30
    while not (outside / "reached").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if names:
        disk.commit_names()
    disk.cut()
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    said = process.communicate()[0]
    disk.remount()
    for name in ("at", "reached"):
        (outside / name).unlink(missing_ok=True)
    return said


# --- The switch ------------------------------------------------------------------------------------------------------


def switch_host(disk: ForgetfulDisk, outside: Path, *, after: bool) -> StubHost:
    """A host on the disk whose programs stand still."""
    path = disk.place / "host"
    path.mkdir()
    host = StubHost(path)
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    watch(host.bin, after=after)
    host.calls_file.unlink()
    host.calls_file.symlink_to(outside / "stub_calls")
    disk.sync()
    return host


def calls_of(host: StubHost, outside: Path, *arguments: str) -> int:
    """How many calls an action has, with its end."""
    assert host.run(*arguments, OUTSIDE=str(outside)).splitlines()[-1].endswith(": done")
    number = len((outside / "calls").read_text().splitlines())
    (outside / "calls").unlink()
    return number


@pytest.mark.everything
@pytest.mark.parametrize(
    ("after", "names"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["after, names written", "after", "before, names written", "before"],
)
def test_a_release_cut_off_at_each_call(disk: ForgetfulDisk, tmp_path: Path, *, after: bool, names: bool) -> None:
    """At boot, the old release runs, or the new one; what was reported done stays; the next release goes through."""
    outside = tmp_path / "outside"
    outside.mkdir()
    host = switch_host(disk, outside, after=after)
    image = disk.image.with_suffix(".begin")
    disk.sync()
    run("cp", "--sparse=always", str(disk.image), str(image))
    number = calls_of(host, outside, "release", "0.2.0")
    assert number > 15
    for call in range(1, number + 2):
        run("umount", "--lazy", str(disk.place))
        disk.replace(image)
        (outside / "calls").unlink(missing_ok=True)
        (outside / "at").write_text(f"{call}\n")
        said = cut_off(host.start_whole("release", "0.2.0", OUTSIDE=str(outside)), disk, outside, names=names)
        host.resume(OUTSIDE=str(outside))
        moment = f"call {call} of {number}:\n{said}"
        if ": done" in said:
            assert (host.current, host.log) == ("0.2.0", ["release 0.2.0 good"]), moment
        assert host.current in ("0.1.0", "0.2.0"), moment
        assert not host.is_busy, moment
        assert host.run("release", "0.2.0", OUTSIDE=str(outside)).splitlines()[-1] == "release 0.2.0: done", moment
        assert host.current == "0.2.0", moment
        assert host.log[-1] == "release 0.2.0 good", moment


# --- Other programs --------------------------------------------------------------------------------------------------


class Folder:
    """A folder on the disk in which programs run.

    + disk: the disk
    + outside: directory that no cut reaches
    + after: whether a command that stands still has done its work
    """

    def __init__(self, disk: ForgetfulDisk, outside: Path, *, after: bool) -> None:
        self.disk, self.outside, self.path = disk, outside, disk.place / "folder"
        self.bin = outside / "bin"
        self.bin.mkdir(parents=True)
        self.path.mkdir()
        watch(self.bin, after=after)

    def start(self, name: str, *arguments: str, stdin: str = "") -> "subprocess.Popen[str]":
        """Start a program.

        + name: of the program
        + arguments: its own
        + stdin: standard input
        """
        given = self.outside / "stdin"
        given.write_text(stdin)
        text = program.text(name).replace("require_lock\n", "")
        shell = "bash" if text.startswith("#!/bin/bash") else "sh"
        with given.open() as file:
            return subprocess.Popen(
                [shell, "-c", text, name, *arguments],
                env={"PATH": f"{self.bin}:/usr/sbin:/usr/bin", "OUTSIDE": str(self.outside)},
                cwd=self.path,
                stdin=file,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )

    def calls(self) -> int:
        """How many calls the last program had."""
        path = self.outside / "calls"
        number = len(path.read_text().splitlines()) if path.exists() else 0
        path.unlink(missing_ok=True)
        return number


def sent(content: str) -> str:
    data = content.encode()
    return f"{hashlib.sha256(data).hexdigest()} {len(data)}\n{content}"


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.everything)], ids=["after", "before"])
def folder(disk: ForgetfulDisk, tmp_path: Path, request: pytest.FixtureRequest) -> Folder:
    """A folder on the disk."""
    return Folder(disk, tmp_path / "outside", after=request.param)


def sweep(folder: Folder, name: str, *arguments: str, stdin: str = "") -> Iterator[tuple[int, bool]]:
    """Run a program once for each of its calls, cut off there, and once to its end before the cut.

    Yields its exit code, or -9, and whether the names were written.
    """
    for names in (True, False):
        process = folder.start(name, *arguments, stdin=stdin)
        said = process.communicate()[0]
        assert process.returncode == 0, said
        number = folder.calls()
        assert number > 1
        for call in range(1, number + 2):
            folder.disk.sync()
            (folder.outside / "at").write_text(f"{call}\n")
            process = folder.start(name, *arguments, stdin=stdin)
            cut_off(process, folder.disk, folder.outside, names=names)
            folder.calls()
            yield process.returncode, names


def test_a_file_is_whole_or_as_before(folder: Folder) -> None:
    path, content = folder.path / "etc" / "default", "B=1\n" * 3000
    path.parent.mkdir()
    path.write_text("A=1\n")
    for code, _ in sweep(folder, "install_file.sh", str(path), "root:root", "644", stdin=sent(content)):
        assert path.read_text() in ("A=1\n", content) if code else path.read_text() == content
        path.write_text("A=1\n")


def test_a_tarball_in_the_store_has_its_checksum_and_its_content(folder: Folder) -> None:
    content = "a tarball" * 5000
    digest = hashlib.sha256(content.encode()).hexdigest()
    store, uploaded = folder.path / "store", folder.path / "billing-1"
    store.mkdir()
    uploaded.write_text(content)
    for code, _ in sweep(folder, "store_artifact.sh", str(uploaded), str(store / "billing-1.tar.gz"), digest):
        listed = folder.start("list_artifacts.sh", str(store), "billing").communicate()[0]
        artifacts = ArtifactsInStore().process(listed.splitlines())
        assert artifacts or code
        for artifact in artifacts:
            assert artifact.sha256 == digest
            assert (store / "billing-1.tar.gz").read_text() == content
        for path in store.iterdir():
            path.unlink()
        uploaded.write_text(content)
        folder.calls()


def test_a_release_is_whole_or_not_there(folder: Folder, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, text in (
        ("bin/billing", "#!/bin/sh\n"),
        ("releases/start_erl.data", "13 0.2.0\n"),
        ("lib/a", "x" * 9000),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
        (tree / name).chmod(0o755)
    tarball = tmp_path / "billing.tar.gz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(tree, ".")
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    root = folder.path / "root"
    root.mkdir()
    arguments = [str(root), "0.2.0", str(tarball), digest, "root", "billing", "no"]
    for code, _ in sweep(folder, "unpack_release.sh", *arguments):
        paths = [str(root / "billing"), str(root / "releases"), str(root / "log")]
        listed = folder.start("list_releases.sh", *paths).communicate()[0]
        folder.calls()
        releases = ReleasesOnHost().process(listed.splitlines())
        assert releases.present == {"0.2.0": digest} or code
        assert not releases.damaged
        if "0.2.0" in releases.present:
            assert (root / "releases/0.2.0/lib/a").read_text() == "x" * 9000
        run("rm", "-rf", str(root / "releases/0.2.0"))


# --- No room ---------------------------------------------------------------------------------------------------------


def fill_bytes(disk: ForgetfulDisk) -> None:
    """No block is free."""
    with (disk.place / "filling").open("wb") as file, suppress(OSError):
        while file.write(b"x" * 65536):
            file.flush()
    (disk.place / "small").write_text("")
    with (disk.place / "small").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 512):
            pass


def fill_inodes(disk: ForgetfulDisk) -> None:
    """No inode is free."""
    (disk.place / "inodes").mkdir()
    with suppress(OSError):
        for number in range(10**6):
            (disk.place / "inodes" / str(number)).touch()


def remount_read_only(disk: ForgetfulDisk) -> None:
    run("mount", "-o", "remount,ro", str(disk.place))


def make_room(disk: ForgetfulDisk) -> None:
    """The operator mends it."""
    run("mount", "-o", "remount,rw", str(disk.place))
    run("rm", "-rf", *(str(disk.place / name) for name in ("filling", "small", "inodes")))


WITHOUT_ROOM = [
    pytest.param(fill_bytes, id="no bytes"),
    pytest.param(fill_inodes, id="no inodes", marks=pytest.mark.everything),
    pytest.param(remount_read_only, id="read-only"),
]


@pytest.mark.parametrize("take_room", WITHOUT_ROOM)
def test_a_release_without_room_changes_nothing_and_goes_through_afterwards(
    disk: ForgetfulDisk, tmp_path: Path, take_room: Callable[[ForgetfulDisk], None]
) -> None:
    path = disk.place / "host"
    path.mkdir()
    host = StubHost(path)
    host.calls_file.unlink()
    host.calls_file.symlink_to(tmp_path / "stub_calls")
    (tmp_path / "stub_calls").touch()
    disk.sync()
    take_room(disk)
    words = host.run("release", "0.2.0").splitlines()
    assert "could not be written, for the reason above, and no action begins without it" in "\n".join(words)
    assert (host.current, host.is_busy, host.called("systemctl restart")) == ("0.1.0", False, 0)
    make_room(disk)
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert (host.current, host.log) == ("0.2.0", ["release 0.2.0 good"])


@pytest.mark.parametrize("take_room", WITHOUT_ROOM)
def test_a_file_without_room_is_as_before(
    disk: ForgetfulDisk, tmp_path: Path, take_room: Callable[[ForgetfulDisk], None]
) -> None:
    folder = Folder(disk, tmp_path / "outside", after=True)
    path, content = folder.path / "default", "B=1\n" * 3000
    path.write_text("A=1\n")
    disk.sync()
    take_room(disk)
    process = folder.start("install_file.sh", str(path), "root:root", "644", stdin=sent(content))
    said = process.communicate()[0]
    assert process.returncode == 1, said
    assert said
    assert path.read_text() == "A=1\n"
    make_room(disk)
    process = folder.start("install_file.sh", str(path), "root:root", "644", stdin=sent(content))
    assert process.communicate()[0] == ""
    assert path.read_text() == content
    assert [entry.name for entry in folder.path.iterdir()] == ["default"]
