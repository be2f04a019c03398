"""A place to run programs of operations/programs in, without a machine."""

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from operations.host import program

# A host has no other commands for a program than those, and the stand-ins of a test.
SYSTEM = "/usr/bin:/bin"

LOCK = "/run/deploy.lock"


class Sandbox:
    """A directory with stand-ins for commands, which come before the system's own.

    + directory: an empty one
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        # Paths that programs name, and the places that stand for them.
        self.places = {LOCK: directory / "lock"}
        self.environment = {"PATH": f"{self.bin}:{SYSTEM}", "LC_ALL": "C.UTF-8", "TMPDIR": str(directory)}

    def stub(self, name: str, script: str = "", shell: str = "/bin/sh") -> None:
        """A stand-in for a command.

        + name: of the command
        + script: shell it consists of; nothing succeeds without a word
        + shell: that runs it
        """
        path = self.bin / name
        path.write_text(f"#!{shell}\n{script}\n")
        path.chmod(0o755)

    def spy(self, *names: str) -> Path:
        """Commands note their arguments and their environment in a file, which is returned, before they do their work.

        + names: of the commands
        """
        notes = self.directory / "notes"
        for name in names:
            real = shutil.which(name, path=SYSTEM)
            assert real, f"{name} is not installed"
            self.stub(name, f'{{ printf "%s " "${{0##*/}}" "$@"; env; }} >> {notes}\nexec {real} "$@"')
        return notes

    def command(self, name: str, *arguments: str) -> list[str]:
        """The argument list by which a host runs a program, with `places` in it.

        + name: of the program
        + arguments: its own
        """
        shell, flag, text, *rest = shlex.split(program.command(name, *arguments).get_raw_value())
        for path, place in self.places.items():
            text = text.replace(path, str(place))
        return [shell, flag, text, *rest]

    def run(self, name: str, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end.

        + name: of the program
        + arguments: its own
        + stdin: standard input
        + environment: further variables
        """
        return self.execute(self.command(name, *arguments), stdin, **environment)

    def over_ssh(self, *commands: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run commands one after another in one session of a process called sshd, until one fails.

        + commands: argument lists
        """
        sshd = self.directory / "sshd"
        if not sshd.is_symlink():
            # Linux names a process after its program's file.
            sshd.symlink_to("/bin/sh")
        return self.execute([str(sshd), "-c", f"{' && '.join(map(shlex.join, commands))} || exit $?"])

    def execute(self, command: Sequence[str], stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the directory, with the stand-ins.

        + command: argument list
        + stdin: standard input
        + environment: further variables
        """
        return subprocess.run(
            command,
            input=stdin,
            env=os.environ | self.environment | environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


def wait_for(path: Path) -> None:
    """Wait until a file is there.

    + path: of the file
    """
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come about"
        time.sleep(0.02)
