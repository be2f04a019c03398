"""The commands of console, rpc and logs on the host."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from pyinfra.api import Inventory

from commands import console, logs, psql, rpc
from commands import open as open_site
from commands.options import Command
from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT
from tests import forks
from tests.host.terminal import CTRL_C, terminal
from tests.unit.conftest import STAGE

FOLLOWER = """
import sys
from commands import logs
from tests.unit.conftest import STAGE
from group_data.schema.environment import Environment
from pyinfra.api import Inventory
host = Inventory((["stage"], {"ssh_hostname": "127.0.0.1", "ssh_user": "devops"})).get_host("stage")
logs.targets = lambda _: [(host, Environment.model_validate(STAGE))]
logs.command(sys.argv[1:])
"""


def follower(tmp_path: Path, ssh: str) -> tuple[list[str], str]:
    """The command `logs` with a stand-in for ssh: its argument list, and its PATH."""
    # The words before sudo announce the answer, as a login shell runs them.
    marks = 'for last; do :; done; eval "${last%%; sudo*}"; case $last in *allowed*) echo allowed; exit;; esac'
    (tmp_path / "ssh").write_text(f"#!/bin/sh\n{marks}\n{ssh}\n")
    (tmp_path / "ssh").chmod(0o755)
    return [sys.executable, "-c", FOLLOWER, "stage"], f"{tmp_path}:/usr/bin:/bin"


def run(command: list[str], path: str) -> tuple[int, str, str]:
    """Its exit code, standard output and standard error."""
    done = forks.run(command, cwd=CHECKOUT, env={"PATH": path}, stderr=subprocess.PIPE, modules=("commands.logs",))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        (console, [], ["terminal", "remote"]),
        (rpc, ["--", "-IO.x"], ["bin/billing", "infinity", "text", "rpc", "-IO.x\0"]),
        (
            psql,
            [],
            ["host='/run/postgresql' port='5432' user='billing_stage' dbname='billing_stage' connect_timeout='10'"],
        ),
        (logs, ["--lines", "5", "--no-follow"], ["--lines=5", "--unit=billing_stage.service"]),
        (logs, ["--since=-1h"], ["--since=-1h", "--no-tail", "--follow", "--unit=billing_stage.service"]),
    ],
)
def test_the_words_that_arrive(
    module: ModuleType,
    arguments: Sequence[str],
    words: Sequence[str],
    inventory: Callable[..., Inventory],
    environment: Callable[..., Environment],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(module, "targets", lambda _: [(inventory(stage=STAGE).get_host("stage"), environment())])

    def wait(_: object, command: Sequence[str], *__: object, text: str | None = None, **___: object) -> int:
        # The last word may come over standard input.
        ran.extend([*command, *([text] if text is not None else [])])
        return 0

    monkeypatch.setattr(module, "wait_for_ssh", wait)
    # A runner is no terminal, without which there is no console.
    terminal: Any = type("sys", (), {"stdin": type("stdin", (), {"isatty": staticmethod(lambda: True)})})
    monkeypatch.setattr(console, "sys", terminal)
    command: Command = module.command
    assert CliRunner().invoke(command, ["stage", *arguments]).exit_code == 0
    assert ran[ran.index(words[0]) :][: len(words)] == list(words)


def test_ctrl_c_ends_the_journal_as_it_ends_other_programs(tmp_path: Path) -> None:
    # As OpenSSH does it.
    command, path = follower(tmp_path, "trap 'exit 255' INT; echo a line; while :; do sleep 0.1; done")
    with terminal(command, CHECKOUT, PATH=path) as run:
        run.wait_for("a line")
        run.type(CTRL_C)
        done = run.finish()
    assert done.exit_code == -signal.SIGINT
    assert "Traceback" not in done.output


def test_ssh_ends_with_the_command(tmp_path: Path) -> None:
    command, path = follower(tmp_path, f"echo $$ > {tmp_path}/pid; echo a line; exec sleep 60")
    with terminal(command, CHECKOUT, PATH=path) as run:
        run.wait_for("a line")
        run.process.terminate()
        assert run.finish().exit_code == -signal.SIGTERM
    process = Path("/proc", (tmp_path / "pid").read_text().strip())
    deadline = time.monotonic() + 10
    while process.exists():
        assert time.monotonic() < deadline, "ssh was left behind"
        time.sleep(0.02)


def test_a_time_that_is_not_understood_gets_an_example(tmp_path: Path) -> None:
    command, path = follower(tmp_path, "echo 'Failed to parse timestamp: nonsense' >&2; exit 1")
    code, _, errors = run([*command, "--since=nonsense"], path)
    assert code == 1
    assert "SINCE=nonsense: journalctl takes times such as -1h, yesterday or" in errors


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            "Timeout, server 127.0.0.1 not responding.",
            255,
            "The connection to 127.0.0.1 was lost: it said nothing for 36",
        ),
        (
            "client_loop: send disconnect: Broken pipe",
            255,
            "was lost: ssh says: client_loop: send disconnect: Broken pipe. ",
        ),
        (
            "ssh: connect to host x port 22: Connection refused",
            255,
            "No connection to 127.0.0.1: ssh says: ssh: connect to",
        ),
        (
            "Host key verification failed.",
            255,
            "No connection to 127.0.0.1: ssh says: Host key verification failed. Noth",
        ),
    ],
)
def test_a_lost_connection_is_told_in_one_sentence(tmp_path: Path, words: str, code: int, said: str) -> None:
    command, path = follower(tmp_path, f"echo 'Warning: Permanently added.' > $2; echo {words!r} >> $2; exit {code}")
    exit_code, output, errors = run(command, path)
    assert (exit_code, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert said in errors


def test_a_command_may_end_with_the_exit_code_of_a_lost_connection(tmp_path: Path) -> None:
    command, path = follower(tmp_path, "echo 'Connection to server.example.com closed.' > $2; exit 255")
    code, _, errors = run(command, path)
    assert (code, errors) == (255, "")


def test_psql_of_another_machine_needs_a_terminal(
    inventory: Callable[..., Inventory], environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = environment(database_managed=False, database_host="db.example.com")
    monkeypatch.setattr(psql, "targets", lambda _: [(inventory(stage=STAGE).get_host("stage"), chosen)])
    told = CliRunner().invoke(psql.command, ["stage"])
    assert (told.exit_code, "db.example.com asks for a password" in told.stderr) == (1, True)
    assert "host='db.example.com'" in psql.words(chosen, terminal=True)[-1]


def test_the_address_is_printed_and_no_browser_opened_in_a_pipe(
    inventory: Callable[..., Inventory], environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_site, "targets", lambda _: [(inventory(stage=STAGE).get_host("stage"), environment())])
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("click.launch", lambda *_: pytest.fail("a browser was opened"))
    told = CliRunner().invoke(open_site.command, ["stage"])
    assert (told.exit_code, told.stdout) == (0, f"{environment().url}/\n")
