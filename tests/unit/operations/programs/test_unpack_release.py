"""Unpacking a release: a tarball is checked before its directory gets a name, and only the lock's holder unpacks."""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

VERSION = "0.2.0"
FILES = {"bin/billing": "#!/bin/sh\n", "releases/start_erl.data": f"15.2 {VERSION}\n", "lib/a": "a\n"}

Change = Callable[[tarfile.TarFile], None]


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Change:
    """A further link in the tarball."""

    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)

    return add


def file(name: str, content: str, mode: int = 0o755) -> Change:
    """A further file in the tarball."""

    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        archive.addfile(member, io.BytesIO(content.encode()))

    return add


def nothing(archive: tarfile.TarFile) -> None:
    """No change."""


class Root:
    """The directory of an environment, and a tarball."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.root = sandbox.directory / "prod"
        self.releases = self.root / "releases"
        self.tarball = sandbox.directory / "billing-0.2.0.tar.gz"
        self.root.mkdir()
        # Root alone gives files away, and there is neither the user nor a systemd here.
        sandbox.stub("chown")
        sandbox.stub("systemctl")

    def pack(self, change: Change = nothing, without: str = "") -> None:
        with tarfile.open(self.tarball, "w:gz") as archive:
            for name, content in FILES.items():
                if name != without:
                    file(name, content)(archive)
            change(archive)

    def unpack(
        self,
        *,
        locked: bool = True,
        digest: str = "",
        version: str = VERSION,
        release: str = "billing",
        readable: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        digest = digest or hashlib.sha256(self.tarball.read_bytes()).hexdigest()
        arguments = [
            str(self.root),
            version,
            str(self.tarball),
            digest,
            "billing",
            release,
            "yes" if readable else "no",
        ]
        take = self.sandbox.command("take_lock.sh", "me@here", "release")
        return self.sandbox.over_ssh(*[take] * locked, self.sandbox.command("unpack_release.sh", *arguments))


@pytest.fixture
def root(sandbox: Sandbox) -> Root:
    return Root(sandbox)


def below(path: Path) -> list[str]:
    """Names of everything in a directory."""
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def test_a_release_is_unpacked(root: Root) -> None:
    root.pack(link("lib/link", "a"))
    done = root.unpack()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    release = root.releases / VERSION
    assert [path.name for path in root.releases.iterdir()] == [VERSION]
    assert below(release) == [
        ".contents", ".tarball.sha256", "bin", "bin/billing", "lib", "lib/a", "lib/link", "releases",
        "releases/start_erl.data",
    ]  # fmt: skip
    assert (release / ".tarball.sha256").read_text().strip() == hashlib.sha256(root.tarball.read_bytes()).hexdigest()
    assert (release / "bin" / "billing").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize(("packed", "unpacked"), [(0o777, 0o750), (0o600, 0o640), (0o4755, 0o750), (0o444, 0o640)])
def test_the_application_reads_every_file_and_changes_none(root: Root, packed: int, unpacked: int) -> None:
    root.pack(file("lib/b", "", packed))
    assert root.unpack().returncode == 0
    assert (root.releases / VERSION / "lib" / "b").stat().st_mode & 0o7777 == unpacked


def test_one_that_was_unpacked_before_is_replaced_as_a_whole(root: Root) -> None:
    (root.releases / VERSION).mkdir(parents=True)
    (root.releases / VERSION / "of_before").touch()
    (root.releases / ".unpacking.x1").mkdir()
    root.pack()
    assert root.unpack().returncode == 0
    assert [path.name for path in root.releases.iterdir()] == [VERSION]
    assert "of_before" not in below(root.releases)


REFUSED = {
    "absolute_link": (link("lib/link", "/etc/passwd"), "holds a link that leads out of the release"),
    "link_upwards": (link("lib/link", "../../0.1.0"), "holds a link that leads out of the release"),
    "absolute_path": (file("/tmp/evil", ""), "holds paths that lead out of the release"),  # noqa: S108
    "path_upwards": (file("lib/../../evil", ""), "holds paths that lead out of the release"),
    "named_pipe": (link("lib/pipe", "", tarfile.FIFOTYPE), "holds what is neither file nor directory nor link"),
}


@pytest.mark.parametrize(("change", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_tarball_that_reaches_out_of_the_release_is_refused(root: Root, change: Change, reason: str) -> None:
    root.pack(change)
    refused(root, root.unpack(), reason)


def refused(root: Root, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """Nothing was unpacked, for this reason."""
    # Before that line tar may say something of its own.
    assert done.stderr.endswith(f"{root.tarball} {reason}: build it anew; nothing was released\n")
    assert done.returncode == 1
    assert below(root.releases) == []


def test_a_tarball_writes_nothing_through_a_link_of_its_own(root: Root) -> None:
    outside = root.sandbox.directory / "outside"
    outside.mkdir()

    def change(archive: tarfile.TarFile) -> None:
        link("lib/out", str(outside))(archive)
        file("lib/out/evil", "")(archive)

    root.pack(change)
    assert root.unpack().returncode == 1
    assert (below(outside), below(root.releases)) == ([], [])


def test_a_link_to_a_directory_whose_name_begins_the_same_is_refused(root: Root) -> None:
    root.sandbox.stub("mktemp", "mkdir .unpacking.x && echo .unpacking.x")
    root.pack(link("link", "../.unpacking.xy"))
    refused(root, root.unpack(), "holds a link that leads out of the release")


def test_another_checksum_is_refused_before_anything_is_made(root: Root) -> None:
    root.pack()
    done = root.unpack(digest="0" * 64)
    assert done.stderr == (
        f"{root.tarball} is not what was built, its checksum differs: build it anew; nothing was released\n"
    )
    assert below(root.root) == []


def test_another_version_is_refused(root: Root) -> None:
    root.pack()
    refused(root, root.unpack(version="0.3.0"), "would boot version 0.2.0, not 0.3.0")


def test_a_release_without_its_program_is_refused(root: Root) -> None:
    root.pack(without="bin/billing")
    refused(root, root.unpack(), "has no bin/billing, which release_name in group data expects")


def test_a_release_of_another_name_is_refused(root: Root) -> None:
    root.pack()
    refused(root, root.unpack(release="demo"), "has no bin/demo, which release_name in group data expects")


def test_a_release_that_does_not_tell_its_version_is_refused(root: Root) -> None:
    root.pack(without="releases/start_erl.data")
    refused(root, root.unpack(), "has no releases/start_erl.data")


def test_a_tarball_that_is_cut_off_is_refused(root: Root) -> None:
    root.pack()
    root.tarball.write_bytes(root.tarball.read_bytes()[:-20])
    refused(root, root.unpack(), "cannot be read, it is cut off or no tarball")


def test_a_full_disk_is_named(root: Root) -> None:
    root.pack()
    root.sandbox.stub(
        "tar", '[ "$1" != -xzf ] || { echo "tar: Wrote only 512 bytes" >&2; exit 2; }\nexec /bin/tar "$@"'
    )
    full = root.sandbox.directory / "full"
    root.sandbox.stub("df", f"echo Avail; [ ! -e {full} ] || {{ echo 1023; exit; }}; touch {full}; echo 100000")
    done = root.unpack()
    assert f"{root.releases} is full: make room there, or lower keep_releases; nothing was released\n" in done.stderr
    assert below(root.releases) == []


@pytest.mark.parametrize(
    ("name", "reason"), [("prod", "leads elsewhere: apply first"), ("prod/releases", "is a link: remove it")]
)
def test_a_directory_that_is_a_link_is_refused(root: Root, name: str, reason: str) -> None:
    root.pack()
    root.sandbox.stub("chown", f"touch {root.sandbox.directory}/given_away")
    elsewhere = root.sandbox.directory / "elsewhere"
    elsewhere.mkdir()
    place = root.sandbox.directory / name
    if place.exists():
        place.rmdir()
    place.symlink_to(elsewhere)
    done = root.unpack()
    assert (done.returncode, done.stderr) == (1, f"{place} {reason}\n")
    assert below(elsewhere) == []
    assert not (root.sandbox.directory / "given_away").exists()


def test_only_the_holder_of_the_lock_unpacks(root: Root) -> None:
    root.pack()
    done = root.unpack(locked=False)
    assert (done.returncode, done.stderr) == (
        1,
        "the lock was broken, and is no longer this run's: nothing was changed\n",
    )
    assert below(root.releases) == []


def test_a_release_that_is_there_stays_when_the_lock_was_broken(root: Root) -> None:
    (root.releases / VERSION).mkdir(parents=True)
    (root.releases / VERSION / "of_before").touch()
    root.pack()
    assert root.unpack(locked=False).returncode == 1
    assert below(root.releases) == [VERSION, f"{VERSION}/of_before"]


def test_a_small_tarball_that_would_fill_the_disk_is_refused(root: Root) -> None:
    root.pack(file("lib/zeros", "\0" * (8 << 20)))
    assert root.tarball.stat().st_size < 100_000
    root.sandbox.stub("df", f"echo Avail; echo {65536 + 8191}")
    done = root.unpack()
    assert (done.returncode, "unpacks to 8 MiB in 4 files, for which" in done.stderr) == (1, True), done.stderr
    assert below(root.releases) == []
    root.sandbox.stub("df", f"echo Avail; echo {65536 + 8300}")
    assert root.unpack().returncode == 0


def test_the_names_in_a_tarball_fill_no_disk(root: Root) -> None:
    """A small tarball may list gigabytes of names, before anybody knows what it unpacks to."""
    root.pack(file(f"lib/{'a' * 200}", ""))
    noted = root.sandbox.directory / "noted"
    root.sandbox.stub("df", f"find . -type f -size +0 >> {noted}; echo Avail; echo 9999999")
    assert root.unpack().returncode == 0
    assert noted.read_text() == ""


def owned(name: str, size: int, owner: str) -> Change:
    """A further file of zeros, with the name of its owner."""

    def add(archive: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.uname = size, owner
        archive.addfile(member, io.BytesIO(bytes(size)))

    return add


def test_the_name_of_an_owner_hides_no_size(root: Root) -> None:
    """tar writes the name before the size, and a name may have spaces and numbers."""
    root.sandbox.stub("df", f"echo Avail; echo {65536 + 8191}")
    for owner in ("a 0 b", "1 2", " "):
        root.pack(owned("lib/zeros", 8 << 20, owner))
        assert root.unpack().returncode == 1
        assert below(root.releases) == []
    root.sandbox.stub("df", f"echo Avail; echo {65536 + 8300}")
    assert root.unpack().returncode == 0


def directories(number: int) -> Change:
    """So many further directories, which have no size."""

    def add(archive: tarfile.TarFile) -> None:
        for each in range(number):
            member = tarfile.TarInfo(f"lib/{each}")
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(member)

    return add


@pytest.mark.parametrize(
    ("free", "allowed"),
    [(f"{65536 + 2011} 9999 99999", False), ("999999 502 99999", False), (f"{65536 + 2012} 503 99999", True),
     ("999999 - 0", True)],
)  # fmt: skip
def test_files_without_a_size_take_room_too(root: Root, free: str, allowed: bool) -> None:
    root.pack(directories(500))
    root.sandbox.stub("df", f"echo Avail; echo {free}")
    done = root.unpack()
    assert (done.returncode == 0, "in 503 files, for which" in done.stderr) == (allowed, not allowed), done.stderr
