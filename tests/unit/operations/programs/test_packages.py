"""The programs about packages, with the real apt and dpkg in a system that is a folder."""

import os
import subprocess
from pathlib import Path

import pytest

from operations.host import program
from tests import debs


class System:
    """A folder with a dpkg and an apt of its own, and a repository beside it."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.repository = directory / "repository"
        for path in (
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/info",
            "var/log/apt",
        ):
            (self.root / path).mkdir(parents=True)
        self.repository.mkdir()
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{self.repository} ./\n")
        self.configuration = directory / "apt.conf"
        self.configuration.write_text(
            f'Dir "{self.root}";\nDir::State::status "{self.root}/var/lib/dpkg/status";\nDir::Log "var/log/apt";\n'
            'APT::Sandbox::User "";\nDpkg::Post-Invoke "";\n'
            f'DPkg::Options {{ "--root={self.root}"; "--force-not-root"; }};\n'
        )

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        variables = os.environ | {"APT_CONFIG": str(self.configuration), "LC_ALL": "C.UTF-8"}
        return subprocess.run(words, env=variables, capture_output=True, text=True, check=False, cwd="/")

    def offers(self, name: str, version: str = "1", **fields: str) -> None:
        debs.make(self.repository, name, version, **fields)
        debs.index(self.repository)

    def has(self, *names: str) -> None:
        """Packages of the repository that are installed already."""
        assert self.run("apt-get", "update").returncode == 0
        done = self.run("apt-get", "--yes", "install", *names)
        assert done.returncode == 0, done.stdout + done.stderr

    def installed(self) -> list[str]:
        form = "--showformat=${db:Status-Abbrev} ${Package} ${Version}\n"
        listed = self.run("dpkg-query", f"--admindir={self.root}/var/lib/dpkg", "--show", form).stdout
        return sorted(line.split(maxsplit=1)[1] for line in listed.splitlines() if line[1] == "i")

    def changes(self, *names: str) -> list[str]:
        done = self.run(*program.words("packages_change.sh", *names))
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def install(self, *names: str) -> "subprocess.CompletedProcess[str]":
        return self.run(*program.words("install_packages.sh", *names))


@pytest.fixture
def system(tmp_path: Path) -> System:
    system = System(tmp_path)
    system.offers("first")
    return system


def test_every_package_is_named(system: System) -> None:
    system.has("first")
    system.offers("first", "2")
    system.offers("ours", Depends="first (>= 2), another")
    system.offers("another", Recommends="nobody-asked")
    system.offers("nobody-asked")
    assert system.run("apt-get", "update").returncode == 0
    assert sorted(system.changes("ours")) == ["install\tanother\t1", "install\tours\t1", "upgrade\tfirst\t1\t2"]
    assert system.installed() == ["first 1"]
    assert system.install("ours").returncode == 0
    assert system.installed() == ["another 1", "first 2", "ours 1"]


def test_a_package_in_the_way_stays(system: System) -> None:
    system.offers("ours", Conflicts="first", Replaces="first")
    system.offers("needs-first", Depends="first")
    system.has("needs-first")
    before = system.installed()
    assert sorted(system.changes("ours")) == ["install\tours\t1", "remove\tfirst\t1", "remove\tneeds-first\t1"]
    done = system.install("ours")
    assert done.returncode == 1
    assert "No package was changed. To install ours, apt would have to do what only a person decides:" in done.stderr
    assert "remove first 1\n" in done.stderr
    assert system.installed() == before


def test_apt_itself_removes_nothing_whatever_it_simulated(system: System, tmp_path: Path) -> None:
    """A machine that changes between the simulation and the installation."""
    system.offers("ours", Conflicts="first", Replaces="first")
    system.has("first")
    blind = program.text("install_packages.sh").replace('changes "" "$@"', "true")
    assert blind != program.text("install_packages.sh")
    done = system.run("sh", "-c", blind, "install_packages.sh", "ours")
    assert done.returncode != 0
    assert "remove is disabled" in done.stderr
    assert system.installed() == ["first 1"]


def test_a_package_that_is_held_back_stays(system: System) -> None:
    system.has("first")
    system.run("apt-mark", "hold", "first")
    system.offers("first", "2")
    system.offers("ours", Depends="first (>= 2)")
    system.run("apt-get", "update")
    changes = system.changes("ours")
    assert any(change.startswith(("held\tfirst", "error\theld back: first")) for change in changes), changes
    done = system.install("ours")
    assert done.returncode == 1
    assert "first" in done.stderr
    assert system.installed() == ["first 1"]


def test_a_package_of_ours_that_is_held_back_is_not_changed(system: System) -> None:
    system.has("first")
    system.run("apt-mark", "hold", "first")
    system.offers("first", "2")
    system.run("apt-get", "update")
    assert system.changes("first") == ["upgrade\tfirst\t1\t2", "held\tfirst"]
    assert system.install("first").returncode == 1
    assert system.installed() == ["first 1"]


def test_the_packages_are_named_without_package_lists(system: System) -> None:
    assert system.changes("first") == ["install\tfirst\t1"]
    assert list((system.root / "var/lib/apt/lists").glob("*_Packages*")) == []
    assert system.install("first").returncode == 0
    assert system.installed() == ["first 1"]


def test_a_source_that_is_gone_is_named(system: System) -> None:
    sources = system.root / "etc/apt/sources.list"
    sources.write_text("deb [trusted=yes] file:/nowhere/to/be/found ./\n")
    assert any("/nowhere/to/be/found" in change for change in system.changes("first"))
    done = system.install("first")
    assert done.returncode == 1
    assert "/nowhere/to/be/found" in done.stderr
    assert "Unable to locate package first" in done.stderr


def test_a_source_that_is_gone_hinders_nothing_that_is_known(system: System) -> None:
    system.run("apt-get", "update")
    with (system.root / "etc/apt/sources.list").open("a") as sources:
        sources.write("deb [trusted=yes] file:/nowhere/to/be/found ./\n")
    done = system.install("first")
    assert done.returncode == 0, done.stderr
    assert "/nowhere/to/be/found" in done.stderr
    assert system.installed() == ["first 1"]


def test_dependencies_that_are_missing_are_named(system: System) -> None:
    system.offers("ours", Depends="nowhere")
    system.run("apt-get", "update")
    changes = system.changes("ours")
    assert "error\tours : Depends: nowhere but it is not installable" in changes
    assert all(change.startswith("error\t") for change in changes)


def test_a_package_that_lacks_what_it_needs_is_named(system: System) -> None:
    """Somebody installed it with dpkg alone; apt refuses to work until it is mended."""
    system.offers("theirs", Depends="nowhere")
    package = system.repository / "theirs_1_all.deb"
    system.run("dpkg", f"--root={system.root}", "--force-not-root", "--unpack", str(package))
    system.run("apt-get", "update")
    changes, done = "\n".join(system.changes("first")), system.install("first")
    assert "error\ttheirs : Depends: nowhere but it is not installable" in changes
    assert "Try 'apt --fix-broken install'" in changes
    assert "error theirs : Depends: nowhere" in done.stderr
    assert done.returncode == 1
