"""A network that falls silent: every command ends within a minute, with one sentence, and the host is well.

All commands of the first tests run side by side, each at its own step, and one cut silences all of them: a minute for all.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.project import Project, Run
from tests.host.releases import wait_until
from tests.host.releasing import log
from tests.sandbox.machine import Machine

# Packets are dropped in the same way on both releases.
pytestmark = TRIXIE

# Seconds after the beginning of the silence in which a command must end.
LIMIT = 60

# Drops what comes to sshd and what it answers, also of connections that are there. Nobody is told.
SILENCE = """
table inet silence {
    chain in { type filter hook input priority -300; tcp dport 22 drop; }
    chain out { type filter hook output priority -300; tcp sport 22 drop; }
}
"""

# So that a transfer is not over before the cut.
SLOW = """
table inet slow {
    chain in { type filter hook input priority -300; tcp dport 22 limit rate over 3 mbytes/second drop; }
    chain out { type filter hook output priority -300; tcp sport 22 limit rate over 3 mbytes/second drop; }
}
"""

HEAD = """\
from pyinfra import config, host
from pyinfra.api import FactBase, StringCommand
from pyinfra.operations import files, server

from operations.host import lock, upload

config.SUDO = True


class Slow(FactBase[str]):
    def command(self, seconds: int) -> StringCommand:
        return StringCommand(f"sleep {seconds}; echo done")


"""

# Entry points of one step each, the arguments of pyinfra, and a question that the host answers once it is at the step.
STEPS = {
    "fact": ("host.get_fact(Slow, 3001)", ["--dry"], "pgrep -f 'sleep 3001'"),
    "command": (
        "server.shell(name='Sleep', commands=['sleep 3002; touch /root/ended'])", ["--yes"],
        "pgrep -f 'sleep 3002'",
    ),
    "lock": ("lock.acquire(name='Machine: lock', what='apply')", ["--yes"], "pgrep -f '[t]ake_lock.sh'"),
    "upload": ("files.put(name='Put', src='large', dest='/root/put')", ["--yes"], "find /tmp -size +1M | grep ."),
    "large upload": (
        "upload.send(name='Send', src=Path('large'), dest='sent', sha256='0')", ["--yes"],
        "find /home/devops/sent.part -size +1M | grep .",
    ),
    "download": ("files.get(name='Get', src='/root/large', dest='got')", ["--yes"], None),
}  # fmt: skip

# Commands over ssh(1), and what shows on the host that each is at work.
COMMANDS = {
    "logs": (["logs", "stage"], "pgrep -f 'journalctl --quiet --no-hostname'"),
    "rpc": (["rpc", "stage", "Process.sleep(90_000)"], "pgrep -f 'rpc-[e]val'"),
    "task": (["task", "stage", "Process.sleep(80_000)"], "systemctl list-units 'billing_stage-task-*' | grep running"),
    "unlock": (["unlock", "stage", "--show"], "pgrep -f '[s]how_lock.sh'"),
}

# What pyinfra and paramiko say of it, and hide the reason with.
NOISE = ("Traceback", "executed 0", "No hosts remaining", "Over 0%", "bug report", "pyinfra-debug.log", "pyinfra error")


@dataclass
class At:
    """A command that is at its step."""

    process: "subprocess.Popen[str]"
    output: IO[str]

    def finish(self, since: float) -> tuple[Run, float]:
        """How it ended, and how many seconds after a time."""
        try:
            code = self.process.wait(since + LIMIT + 30 - time.monotonic())
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = -9
        took = time.monotonic() - since
        self.output.seek(0)
        return Run(code, self.output.read()), took


def start(project: Project, words: Sequence[str], path: Path) -> At:
    """Start a command of the project with its output in a file."""
    output = path.open("w+")
    process = subprocess.Popen(
        words, cwd=project.path, env=project.environment, stdin=subprocess.DEVNULL,
        stdout=output, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return At(process, output)


@contextmanager
def silent(machine: Machine) -> Iterator[float]:
    """For the block, nothing reaches the machine's sshd and nothing leaves it. Yields the time of the beginning."""
    machine.run("nft -f -", stdin=SILENCE)
    try:
        yield time.monotonic()
    finally:
        machine.run("nft delete table inet silence")


def is_there(machine: Machine, question: str) -> Callable[[], bool]:
    return lambda: machine.run(question, check=False).returncode == 0


def assert_told(run: Run, took: float, beginning: str) -> None:
    """One sentence, once, as the last words."""
    assert took < LIMIT, (took, run.output)
    assert run.exit_code == 1, run
    assert [word for word in NOISE if word in run.output] == []
    last = run.output.strip().splitlines()[-1]
    assert re.search(beginning, last), run.output
    assert run.output.count("onnection to sandbox") == 1, run.output


@pytest.fixture(scope="module")
def cut(running: Host, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Run, float]]:
    """How each command ended that was at its step when the network fell silent."""
    machine, project = running.machine, running.project
    outputs = tmp_path_factory.mktemp("outputs")
    machine.run("truncate -s 1G /root/large; nft -f -", stdin=SLOW)
    with (project.path / "large").open("wb") as large:
        large.truncate(2**30)
    # Whoever asks for the lock waits for the lock of its file.
    machine.run("systemd-run --quiet flock /run/deploy.lock sleep 300")
    commands: dict[str, tuple[list[str], str | None]] = {}
    for name, (step, arguments, there) in STEPS.items():
        entry = f"{name.replace(' ', '_')}.py"
        (project.path / entry).write_text(f"from pathlib import Path\n{HEAD}{step}\n")
        commands[name] = (
            [sys.executable, "-m", "pyinfra", "inventory.py", entry, "--limit", "stage", *arguments],
            there,
        )
    for name, (arguments, there) in COMMANDS.items():
        commands[name] = ([sys.executable, "-m", "commands", *arguments], there)
    started = {name: start(project, words, outputs / name) for name, (words, _) in commands.items()}
    for name, (_, there) in commands.items():
        if there:
            wait_until(is_there(machine, there), f"{name} is at work")
    wait_until(lambda: list(project.path.glob("got*")) != [], "the download has begun")
    with silent(machine) as since:
        ended = {name: at.finish(since) for name, at in started.items()}
        # Whatever begins now does not connect.
        for name, words in {
            "plan": ["plan", "stage"],
            "status": ["status", "stage"],
            "ping": ["ping", "stage"],
        }.items():
            begun = time.monotonic()
            ended[name] = start(project, [sys.executable, "-m", "commands", *words], outputs / name).finish(begun)
        machine.run("nft delete table inet slow; pkill -f '[f]lock /run/deploy.lock'")
    return ended


@pytest.mark.parametrize("name", ["fact", "command", "lock", "upload", "large upload", "download"])
def test_a_run_ends_at_each_step(cut: dict[str, tuple[Run, float]], name: str) -> None:
    steps = {"command": "Sleep", "lock": "Machine: lock", "upload": "Put", "large upload": "Send", "download": "Get"}
    step = f' in the step "{steps[name]}"' if name in steps else ""
    known = r"Nothing was changed\.$" if name == "fact" else "The step may be done or not: run the command again"
    assert_told(*cut[name], rf"^The connection to sandbox was lost{step}: it said nothing for \d\d seconds\. {known}")


@pytest.mark.parametrize(
    ("name", "goes_on"),
    [
        ("logs", "The application goes on: make status ENV=stage"),
        ("rpc", "The expression may go on in the node"),
        ("task", "The host stops the expression 30 seconds after"),
        ("unlock", ""),
    ],
)
def test_a_command_of_everyday_ends(cut: dict[str, tuple[Run, float]], name: str, goes_on: str) -> None:
    assert_told(*cut[name], rf"The connection to sandbox was lost: it said nothing for \d\d seconds\.? ?{goes_on}")


@pytest.mark.parametrize("name", ["plan", "status", "ping"])
def test_a_host_that_is_down_is_told(cut: dict[str, tuple[Run, float]], name: str) -> None:
    run, took = cut[name]
    assert took < 30
    assert (run.exit_code, run.output.count("No connection to sandbox: ")) == (1, 1), run.output
    assert [word for word in NOISE if word in run.output] == []


def test_the_lock_is_free_once_the_network_is_back(cut: dict[str, tuple[Run, float]], running: Host) -> None:
    free = [sys.executable, "-m", "commands", "unlock", "stage", "--show"]
    wait_until(lambda: running.project.run(*free).exit_code == 0, "the lock is free")


@pytest.mark.everything
def test_the_host_ends_by_itself_what_it_began(running: Host, tmp_path: Path) -> None:
    machine = running.machine
    running.project.edit("stage", settle_time=10)
    at = start(running.project, [sys.executable, "-m", "commands", "restart", "stage"], tmp_path / "output")
    wait_until(is_there(machine, "systemctl is-active billing_stage-switch.service"), "the host restarts")
    with silent(machine) as since:
        run, took = at.finish(since)
        assert not is_there(machine, "systemctl is-active billing_stage-switch.service")()
    known = (
        "If the host had begun, it goes on by itself, to the end or back: make releases ENV=stage tells how it ended"
    )
    assert_told(
        run,
        took,
        rf'^The connection to sandbox was lost in the step ".*": it said nothing for \d\d seconds\. {known}',
    )
    assert log(machine, "stage")[-1][0::2] == ("restart", "good")


@pytest.mark.everything
def test_a_step_that_says_nothing_for_long_is_not_ended(running: Host) -> None:
    entry = running.project.path / "long.py"
    entry.write_text(f"{HEAD}server.shell(name='Long', commands=['sleep 90; echo \"after all\" > /root/long'])\n")
    running.project.pyinfra("long.py", "--yes", "--limit", "stage").require_success()
    assert running.machine.run("cat /root/long").stdout == "after all\n"
