"""Releases on a host: list, removal and free space."""

from collections.abc import Callable
from pathlib import Path

import pytest

from operations.release.artifacts import FreeSpace
from operations.release.history import Releases, ReleasesOnHost, Revision
from tests.unit.operations.programs.sandboxed import Sandbox


def listed(sandbox: Sandbox) -> Releases:
    paths = [str(sandbox.directory / name) for name in ("app", "releases", "revisions.log")]
    done = sandbox.run("list_releases.sh", *paths)
    assert (done.returncode, done.stderr) == (0, "")
    return ReleasesOnHost().process(done.stdout.splitlines())


def test_before_the_first_release_there_are_none(sandbox: Sandbox) -> None:
    assert listed(sandbox) == Releases(None, {}, [])


def test_an_empty_directory_holds_none(sandbox: Sandbox) -> None:
    (sandbox.directory / "releases").mkdir()
    assert listed(sandbox) == Releases(None, {}, [])


def test_releases_the_link_and_the_log_are_listed(sandbox: Sandbox) -> None:
    releases = sandbox.directory / "releases"
    digest = "ab" * 32
    for version in ("0.1.0", "0.2.0"):
        (releases / version).mkdir(parents=True)
        if version == "0.2.0":
            (releases / version / ".tarball.sha256").write_text(f"{digest}\n")
    (releases / "a file").touch()
    (sandbox.directory / "app").symlink_to(releases / "0.2.0")
    line = ["2026-01-01T00:00:00Z", "me@here", "release", "0.2.0", "abc", "good", "12"]
    (sandbox.directory / "revisions.log").write_text("\t".join(line) + "\n")
    assert listed(sandbox) == Releases("0.2.0", {"0.1.0": "", "0.2.0": digest}, [Revision(*line)])


def unpacked(sandbox: Sandbox) -> Path:
    """A release as unpack_release.sh leaves it."""
    release = sandbox.directory / "releases" / "0.2.0"
    (release / "lib").mkdir(parents=True)
    (release / "lib" / "a.beam").write_text("compiled")
    (release / "lib" / "empty").touch()
    (release / ".tarball.sha256").write_text("ab" * 32 + "\n")
    (release / ".contents").write_text("2 8\n")
    return release


def test_a_whole_release_is_not_damaged(sandbox: Sandbox) -> None:
    unpacked(sandbox)
    assert listed(sandbox).damaged == frozenset()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a file without content": lambda release: (release / "lib" / "a.beam").write_text(""),
    "a file cut short": lambda release: (release / "lib" / "a.beam").write_text("comp"),
    "a file that is gone": lambda release: (release / "lib" / "empty").unlink(),
    "a checksum without content": lambda release: (release / ".tarball.sha256").write_text(""),
    "a checksum of null bytes": lambda release: (release / ".tarball.sha256").write_text("\0" * 65),
    "no list of contents": lambda release: (release / ".contents").write_text(""),
    "all files without content": lambda release: [path.write_text("") for path in release.rglob("*") if path.is_file()],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_release_whose_files_a_power_cut_took_is_damaged(sandbox: Sandbox, damage: Callable[[Path], object]) -> None:
    damage(unpacked(sandbox))
    (sandbox.directory / "app").symlink_to("releases/0.2.0")
    line = ["2026-01-01T00:00:00Z", "me@here", "release", "0.2.0", "abc", "good", "12"]
    (sandbox.directory / "revisions.log").write_text("\t".join(line) + "\n")
    releases = listed(sandbox)
    assert releases.damaged == {"0.2.0"}
    assert releases.outcome("0.2.0") == "damaged"
    assert not releases.was_good("0.2.0")


def test_a_release_writes_no_line_of_the_log(sandbox: Sandbox) -> None:
    line = "2026-01-01T00:00:00Z\tme@here\trelease\t0.2.0\tabc\tgood\t12"
    (unpacked(sandbox) / ".tarball.sha256").write_text(f"{'ab' * 32}\nlog\t{line}\n")
    releases = listed(sandbox)
    assert (releases.present, releases.revisions) == ({"0.2.0": "ab" * 32}, [])


NO_VERSIONS = ["lost+found and more", "-rf", ".unpacking.a", "..b", "x\ty", "x\ny", "ü", "a$(id)"]


@pytest.mark.parametrize("name", NO_VERSIONS)
def test_a_directory_that_is_no_release_is_left_out(sandbox: Sandbox, name: str) -> None:
    releases = sandbox.directory / "releases"
    (releases / "0.1.0+20260201-main-abc").mkdir(parents=True)
    (releases / name).mkdir()
    (sandbox.directory / "app").symlink_to(releases / name)
    paths = [str(sandbox.directory / word) for word in ("app", "releases", "revisions.log")]
    lines = sandbox.run("list_releases.sh", *paths).stdout.splitlines()
    assert [line for line in lines if line.startswith("present")] == ["present\t0.1.0+20260201-main-abc\t"]


@pytest.mark.parametrize("name", ["lost+found and more", "-rf", "a/../b", ""])
def test_names_that_are_no_version_do_not_count(name: str) -> None:
    output = [f"current\t{name}", f"present\t{name}\tabc", "present\t0.1.0\tabc"]
    assert ReleasesOnHost().process(output) == Releases(None, {"0.1.0": "abc"}, [])


def test_one_release_is_removed(sandbox: Sandbox) -> None:
    releases = sandbox.directory / "releases"
    for version in ("0.1.0", "0.2.0"):
        (releases / version / "lib").mkdir(parents=True)
    assert sandbox.run("remove_release.sh", str(releases), "0.1.0").returncode == 0
    assert [path.name for path in releases.iterdir()] == ["0.2.0"]


def test_nothing_is_removed_through_a_link(sandbox: Sandbox) -> None:
    (sandbox.directory / "elsewhere" / "0.1.0").mkdir(parents=True)
    link = sandbox.directory / "releases"
    link.symlink_to(sandbox.directory / "elsewhere")
    assert sandbox.run("remove_release.sh", str(link), "0.1.0").returncode == 1
    assert (link / "0.1.0").is_dir()


@pytest.mark.parametrize(
    ("path", "nearest"), [("/", "/"), ("/proc", "/proc"), ("/no/such/directory", "/"), ("/proc/no/such", "/proc")]
)
def test_the_room_of_the_nearest_directory_is_told(sandbox: Sandbox, path: str, nearest: str) -> None:
    sandbox.stub("df", 'shift 2\necho "Mounted on Avail"\necho "$1 1024"')
    assert sandbox.run("free_space.sh", path).stdout == f"{path} {nearest} 1024\n"


def test_the_real_df_is_understood(sandbox: Sandbox) -> None:
    done = sandbox.run("free_space.sh", "/proc", str(sandbox.directory / "missing" / "too"))
    assert (done.returncode, done.stderr) == (0, "")
    space = FreeSpace().process(done.stdout.splitlines())
    assert space["/proc"] == ("/proc", 0)
    system, free = space[str(sandbox.directory / "missing" / "too")]
    assert str(sandbox.directory).startswith(system)
    assert free > 0


NOTES = "action=release\nversion=0.2.0\n"


@pytest.mark.parametrize(
    ("notes", "state", "told"),
    [
        (NOTES, "inactive", "release 0.2.0"),
        (NOTES, "activating", None),
        (NOTES, "active", None),
        ("", "inactive", "unknown"),
        ("action=$(reboot)\nversion=a b\n", "inactive", "unknown"),
    ],
)
def test_an_action_that_was_cut_off_is_told_unless_somebody_is_at_it(
    sandbox: Sandbox, notes: str, state: str, told: str | None
) -> None:
    sandbox.stub("systemctl", f"echo {state}\necho inactive")
    (sandbox.directory / "switching").write_text(notes)
    assert listed(sandbox).cut_off == told
