"""Runs the playbook on machines: inventory, connections, command line and variables."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.ansible import desired
from tests.sandbox.machine import Machine

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PROGRAM = "ansible-playbook"

# The variables for Ansible's strategy and for the strategy's directory. mitogen is a strategy.
_STRATEGY = ("ANSIBLE_STRATEGY", "ANSIBLE_STRATEGY_PLUGINS")


class PlayError(Exception):
    """A play cannot run or has failed. The message is its output."""


class Reached(Protocol):
    """A machine, and an ssh_config with its name."""

    @property
    def machine(self) -> Machine:
        """The machine."""

    @property
    def config(self) -> Path:
        """The ssh_config."""


@dataclass(frozen=True)
class Directly:
    """A machine with its own ssh_config.

    + machine: the machine
    """

    machine: Machine

    @property
    def config(self) -> Path:
        """Its ssh_config."""
        return self.machine.ssh_config


@dataclass(frozen=True)
class Play:
    """The playbook for certain machines.

    + program: path of ansible-playbook
    + directory: directory with vars.json and inventory.json
    + hosts: number of hosts
    + variables: further variables of the process
    """

    program: str
    directory: Path
    hosts: int
    variables: Mapping[str, str]

    def prepare(self, project: Path) -> None:
        """Write contents and variables. To be called again after a change of the project's data.

        A separate process does the work, because pyinfra reads a group data file once in a process.

        + project: directory as for `desired.write`

        Raises PlayError if that fails.
        """
        command = [sys.executable, "-m", desired.__name__, str(project.resolve()), str(self.directory)]
        run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            raise PlayError(run.stdout + run.stderr)

    def command(self, *arguments: str) -> list[str]:
        """The command line.

        + arguments: further arguments, such as --check
        """
        files = ["-i", str(self.directory / "inventory.json"), "-e", f"@{self.directory / 'vars.json'}"]
        return [self.program, *files, "--forks", str(self.hosts), str(HERE / "playbook.yml"), *arguments]

    def run(self, *arguments: str) -> str:
        """Run the playbook and return its output.

        + arguments: further arguments, such as --check

        Raises PlayError unless it succeeds on all hosts.
        """
        return self._run(self.variables, *arguments)

    def bootstrap(self) -> str:
        """Install Python on the hosts and return Ansible's output.

        This runs without mitogen, because mitogen itself needs Python on the host.
        """
        variables = {name: value for name, value in self.variables.items() if name not in _STRATEGY}
        return self._run(variables, "--tags", "bootstrap")

    def _run(self, variables: Mapping[str, str], *arguments: str) -> str:
        run = subprocess.run(
            self.command(*arguments),
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise PlayError(run.stdout)
        return run.stdout

    def disconnect(self) -> None:
        """End the connections that Ansible left open, so that the next run makes its own."""
        for control in self.directory.glob("control-*/*"):
            subprocess.run(["ssh", "-o", f"ControlPath={control}", "-O", "exit", "-"], capture_output=True, check=False)


@contextmanager
def play(
    project: Path, machines: Sequence[Reached], *, mitogen: bool = False, program: str = PROGRAM
) -> Iterator[Play]:
    """The playbook for these machines, all with the secrets of one project. Its connections end with the block.

    + project: directory as for `desired.write`
    + machines: machines to prepare as the project's `stage`
    + mitogen: whether modules run in one Python process that stays on the host, instead of one process for each
    + program: path or name of ansible-playbook
    """
    found = shutil.which(program)
    if not found:
        raise PlayError(f"there is no {program}: `pip install ansible-core`, and say where it is")
    # A short path, because a socket's path has at most 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="play-"))
    variables = {"ANSIBLE_CONFIG": str(HERE / "ansible.cfg"), **(_mitogen(Path(found)) if mitogen else {})}
    result = Play(found, directory, len(machines), variables)
    try:
        result.prepare(project)
        (directory / "inventory.json").write_text(json.dumps(inventory(machines, directory), indent=2))
        yield result
    finally:
        result.disconnect()
        shutil.rmtree(directory)


def inventory(machines: Sequence[Reached], directory: Path) -> dict[str, object]:
    """An inventory. Its JSON is YAML, too.

    + machines: each becomes a host
    + directory: directory for the sockets of connections. Ansible names them after the host, and machines may share a name
    """
    hosts = {
        f"machine-{number}": {
            "ansible_host": reached.machine.name,
            "ansible_ssh_common_args": f"-F {reached.config}",
            "ansible_control_path_dir": str(directory / f"control-{number}"),
        }
        for number, reached in enumerate(machines)
    }
    return {"all": {"hosts": hosts}}


def changed(output: str) -> dict[str, int]:
    """The number of tasks with a change, by host.

    + output: output of a run
    """
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)
    return {host: int(count) for host, count in recap}


def _mitogen(program: Path) -> dict[str, str]:
    """The variables that switch mitogen on. It is installed beside Ansible."""
    plugins = program.parent.parent.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")
    directory = next(plugins, None)
    if not directory:
        raise PlayError(f"there is no mitogen beside {program}: `pip install mitogen` there")
    return dict(zip(_STRATEGY, ("mitogen_linear", str(directory)), strict=True))
