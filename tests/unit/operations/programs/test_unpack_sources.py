"""Sources that take the place of former ones: what stays, what goes, and what keeps its time."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

# Long ago, so that nothing written now has it.
FORMER = 1_000_000_000


class Sources:
    """The directory of the sources, and archives of revisions.

    + application: directory of the application in the sources
    """

    def __init__(self, sandbox: Sandbox, application: str = ".") -> None:
        self.sandbox = sandbox
        self.application = application
        self.source = sandbox.directory / "source"

    def unpack(self, files: dict[str, str], *, cut: int | None = None) -> "subprocess.CompletedProcess[bytes]":
        """Unpack a revision.

        + files: names and contents; an arrow at the beginning makes a link
        + cut: bytes of the archive that arrive
        """
        archive, packed = self.sandbox.directory / "archive", self.sandbox.directory / "packed"
        with tarfile.open(archive, "w:gz") as tar:
            for name, text in files.items():
                packed.unlink(missing_ok=True)
                if text.startswith("-> "):
                    packed.symlink_to(text[3:])
                else:
                    packed.write_text(text)
                    packed.chmod(0o755 if text.startswith("#!") else 0o644)
                tar.add(packed, name)
        return subprocess.run(
            self.sandbox.command("unpack_sources.sh", str(self.sandbox.directory), self.application),
            input=archive.read_bytes()[:cut], env=self.sandbox.environment, capture_output=True, check=False,
        )  # fmt: skip

    def age(self) -> None:
        for path in self.source.rglob("*"):
            os.utime(path, (FORMER, FORMER), follow_symlinks=False)

    def write(self, *names: str) -> None:
        """Files that a build made."""
        for name in names:
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_text("made")

    def files(self) -> list[str]:
        paths = (path for path in self.source.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(str(path.relative_to(self.source)) for path in paths)

    def fresh(self) -> list[str]:
        """Files that have a new time."""
        return [name for name in self.files() if (self.source / name).lstat().st_mtime > FORMER]

    def lost(self) -> str:
        return (self.sandbox.directory / "lost").read_text()


@pytest.fixture
def sources(sandbox: Sandbox) -> Sources:
    return Sources(sandbox)


def test_an_unchanged_file_keeps_its_time_and_any_other_has_that_of_now(sources: Sources) -> None:
    former = {"mix.exs": "a", "lib/same": "a", "lib/other": "a", "lib/as_long": "abc", "lib/gone": "a"}
    sources.unpack(former)
    sources.age()
    sources.unpack({"mix.exs": "a", "lib/same": "a", "lib/other": "bb", "lib/as_long": "abd", "lib/new": "a"})
    assert sources.files() == ["lib/as_long", "lib/new", "lib/other", "lib/same", "mix.exs"]
    assert sources.fresh() == ["lib/as_long", "lib/new", "lib/other"]
    assert (sources.source / "lib/as_long").read_text() == "abd"


def test_modes_and_links_follow_the_archive(sources: Sources) -> None:
    sources.unpack({"run": "#!/bin/sh", "now_run": "x", "link": "-> run", "file": "x", "directory/x": "x", "path": "x"})
    sources.unpack(
        {"run": "x", "now_run": "#!/bin/sh", "link": "-> /etc", "file": "-> run", "directory": "x", "path/x": "x"}
    )
    assert sources.files() == ["directory", "file", "link", "now_run", "path/x", "run"]
    assert [(sources.source / name).stat().st_mode & 0o777 for name in ("run", "now_run")] == [0o600, 0o700]
    assert [str((sources.source / name).readlink()) for name in ("link", "file")] == ["/etc", "run"]


def test_a_link_that_a_build_made_leads_nothing_elsewhere(sources: Sources, tmp_path: Path) -> None:
    sources.unpack({"lib/a": "a"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (sources.source / "lib/a").unlink()
    (sources.source / "lib").rmdir()
    (sources.source / "lib").symlink_to(outside)
    sources.unpack({"lib/a": "b"})
    assert (list(outside.iterdir()), sources.files()) == ([outside / "kept"], ["lib/a"])


def test_dependencies_and_compiled_code_stay(sources: Sources) -> None:
    sources.unpack({"mix.exs": "a"})
    sources.write("deps/a/mix.exs", "_build/prod/lib/a.beam", "lib/made", "libs/deps/b")
    sources.age()
    sources.unpack({"mix.exs": "b"})
    assert sources.files() == ["_build/prod/lib/a.beam", "deps/a/mix.exs", "mix.exs"]
    assert sources.fresh() == ["mix.exs"]


def test_dependencies_of_an_application_in_a_directory_stay_and_those_of_an_umbrella_around_it(
    sandbox: Sandbox,
) -> None:
    sources = Sources(sandbox, "apps/billing")
    sources.unpack({"apps/billing/mix.exs": "a"})
    sources.write("apps/billing/deps/a", "deps/b", "_build/c", "apps/_build/d", "apps/other/deps/e")
    sources.unpack({"apps/billing/mix.exs": "a"})
    assert sources.files() == ["_build/c", "apps/_build/d", "apps/billing/deps/a", "apps/billing/mix.exs", "deps/b"]


def test_dependencies_in_the_repository_count_alone(sources: Sources) -> None:
    sources.unpack({"mix.exs": "a", "deps/a/lib/a.ex": "a", "deps/gone/lib/b.ex": "b"})
    sources.write("deps/fetched/mix.exs", "_build/x")
    sources.age()
    sources.unpack({"mix.exs": "a", "deps/a/lib/a.ex": "a"})
    assert sources.files() == ["_build/x", "deps/a/lib/a.ex", "mix.exs"]
    assert sources.fresh() == []


@pytest.mark.parametrize(
    ("made", "lost"),
    [
        (["priv/native/billing.so"], "own\n"),
        (["src/parser.erl", "priv/static/app.js"], "own\n"),
        (["priv/static/assets/app-1234.css", "assets/node_modules/x/y.js", "config/stage.secret.exs"], ""),
        (["apps/web/priv/static/a b.js", "deps/a/priv/a.so", "_build/b"], ""),
    ],
)
def test_files_that_compiling_made_are_noted_when_they_go(sources: Sources, made: list[str], lost: str) -> None:
    """Mix would not make them again: the module that did so is compiled already."""
    sources.unpack({"mix.exs": "a", "lib/gone": "a"})
    sources.write(*made)
    sources.unpack({"mix.exs": "a"})
    assert sources.lost() == lost


def test_files_that_compiling_dependencies_of_the_repository_made_are_noted(sources: Sources) -> None:
    sources.unpack({"deps/a/mix.exs": "a"})
    sources.write("deps/a/priv/a.so")
    sources.unpack({"deps/a/mix.exs": "a"})
    assert sources.lost() == "all\n"
    sources.unpack({"deps/a/mix.exs": "a"})
    assert sources.lost() == "all\n", "until a build succeeds"


def test_an_interrupted_update_is_completed(sources: Sources) -> None:
    sources.unpack({"mix.exs": "a", "lib/a": "first"})
    for left in ("new/lib/x", "source/lib/.a.x1y2z3", "files.new", "gone", "release.tar.gz"):
        (sources.sandbox.directory / left).parent.mkdir(parents=True, exist_ok=True)
        (sources.sandbox.directory / left).write_text("half")
    (sources.source / "lib/a").write_text("")
    sources.unpack({"mix.exs": "a", "lib/a": "first"})
    assert sources.files() == ["lib/a", "mix.exs"]
    assert (sources.source / "lib/a").read_text() == "first"
    names = {path.name for path in sources.sandbox.directory.iterdir()}
    assert names == {"archive", "bin", "files", "kept", "lost", "packed", "source"}


@pytest.mark.parametrize("length", [0, 20])
def test_sources_that_are_cut_off_leave_the_former_ones(sources: Sources, length: int) -> None:
    sources.unpack({"mix.exs": "a"})
    assert sources.unpack({"mix.exs": "b"}, cut=length).returncode != 0
    assert (sources.source / "mix.exs").read_text() == "a"


def test_sources_without_room_take_none_and_say_so_once(sources: Sources) -> None:
    sources.unpack({"mix.exs": "1"})
    full = "tar: part: Cannot write: No space left on device"
    sources.sandbox.stub("tar", f'echo part > new/part; yes "{full}" | head -n 1000 >&2; exit 2')
    done = sources.unpack({"mix.exs": "2"})
    reason = f"the sources could not be unpacked in {sources.sandbox.directory}, for the reason above"
    assert (done.returncode, done.stderr.decode().splitlines()) == (1, [full, full, full, reason])
    assert sources.files() == ["mix.exs"]
    assert not (sources.sandbox.directory / "new").exists()


def test_sources_that_rsync_cannot_update_are_made_anew(sources: Sources) -> None:
    sources.unpack({"mix.exs": "a"})
    sources.write("_build/a")
    sources.sandbox.stub("rsync", "exit 11")
    done = sources.unpack({"mix.exs": "b"})
    assert (done.returncode, sources.files()) == (0, ["mix.exs"])
    assert b"the sources cannot be brought up to date, so everything is compiled anew\n" in done.stdout


def test_names_are_bytes(sources: Sources) -> None:
    names = ["a b", "-rf", "new\nline", "*", "[x]", os.fsdecode(b"latin-\xe9"), " lead", "*deleting x", "ü"]
    sources.unpack(dict.fromkeys(names, "a"))
    assert sources.files() == sorted(names)
    sources.age()
    sources.unpack(dict.fromkeys(names[1:], "a"))
    assert (sources.files(), sources.fresh()) == (sorted(names[1:]), [])
