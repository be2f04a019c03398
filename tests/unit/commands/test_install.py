"""commands/install.sh: what an operator's computer needs is looked for, and named when it is not there."""

import subprocess
from pathlib import Path

import pytest

from group_data.schema.paths import CHECKOUT

NEEDED = ("sh", "uname", "id", "git", "ssh", "touch")


class Computer:
    """A PATH with a few commands, and stand-ins for others."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir()
        for name in NEEDED:
            self.stub(name, f'exec /usr/bin/{name} "$@"')
        self.stub("id", "echo 1000")
        self.python("python3", (3, 11))

    def stub(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def python(self, name: str, version: tuple[int, int]) -> None:
        """A Python that knows its version, and whose environments are made of nothing."""
        text = ".".join(map(str, version))
        self.stub(
            name,
            f'case "$*" in --version) echo Python {text}.0 ;;\n*version_info*) exit {int(version < (3, 11))} ;;\n'
            f'"-m venv "*) /bin/mkdir -p "$3/bin" && echo {name} > "$3/made_by" && '
            'printf "#!/bin/sh\\n" > "$3/bin/pip" && /bin/chmod 755 "$3/bin/pip" ;; esac',
        )

    def install(self, directory: Path) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", str(CHECKOUT / "commands/install.sh"), "venv", str(directory), "requirements.lock"]
        return subprocess.run(command, env={"PATH": str(self.bin)}, capture_output=True, text=True, check=False)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def test_a_computer_with_all_of_it(computer: Computer, tmp_path: Path) -> None:
    assert computer.install(tmp_path / "venv").returncode == 0
    assert (tmp_path / "venv/installed").exists()


def test_a_newer_python_beside_an_old_one_is_taken(computer: Computer, tmp_path: Path) -> None:
    computer.python("python3", (3, 9))
    computer.python("python3.12", (3, 12))
    assert computer.install(tmp_path / "venv").returncode == 0
    assert (tmp_path / "venv/made_by").read_text() == "python3.12\n"


def refused(computer: Computer, directory: Path) -> str:
    done = computer.install(directory)
    assert (done.returncode, done.stdout, directory.exists()) == (1, "", False)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_an_old_python_is_refused(computer: Computer, tmp_path: Path) -> None:
    computer.python("python3", (3, 10))
    assert "Python 3.11 or newer is needed, and python3 is Python 3.10.0" in refused(computer, tmp_path / "venv")
    (computer.bin / "python3").unlink()
    assert "there is no python3 in PATH" in refused(computer, tmp_path / "venv")


def test_another_system_is_refused_by_name(computer: Computer, tmp_path: Path) -> None:
    computer.stub("uname", "echo Darwin")
    assert "This computer runs Darwin, and this project runs on Linux" in refused(computer, tmp_path / "venv")


@pytest.mark.parametrize(("name", "package"), [("git", "git"), ("ssh", "openssh-client")])
def test_a_command_that_is_missing_is_named(computer: Computer, tmp_path: Path, name: str, package: str) -> None:
    (computer.bin / name).unlink()
    assert f"by their names in Debian: {package}. Install them" in refused(computer, tmp_path / "venv")
    computer.stub("apt-get", "exit 1")
    computer.stub("dpkg", "exit 1")
    assert f"sudo apt-get install {package}\n" in refused(computer, tmp_path / "venv")


@pytest.mark.parametrize("state", ["config-files", "not-installed", "half-installed"])
def test_a_package_that_was_removed_is_missing(computer: Computer, tmp_path: Path, state: str) -> None:
    """dpkg knows those that left their configuration behind."""
    (computer.bin / "ssh").unlink()
    computer.stub("apt-get", "exit 1")
    computer.stub("dpkg", "exit 0")
    computer.stub("dpkg-query", f"printf ' {state} '")
    assert "sudo apt-get install openssh-client\n" in refused(computer, tmp_path / "venv")


def test_without_dpkg_a_command_tells(computer: Computer) -> None:
    """On Fedora, Arch or macOS."""
    command = ["/bin/sh", str(CHECKOUT / "commands/install.sh"), "packages", "shellcheck", "openssh-client"]

    def packages() -> tuple[int, str]:
        done = subprocess.run(command, env={"PATH": str(computer.bin)}, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    code, said = packages()
    assert (code, "by their names in Debian: shellcheck. Install them" in said) == (1, True)
    computer.stub("shellcheck", "exit 0")
    assert packages() == (0, "")


def test_an_old_make_is_refused(tmp_path: Path) -> None:
    """3.81 is what macOS brings."""
    done = subprocess.run(
        ["make", "MAKE_VERSION=3.81", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "GNU make 4 is needed, and this is 3.81" in done.stderr) == (2, True)
