"""What a person sees of pyinfra: what changes, what takes long, and the reason of a failure, last and once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.deployment import PYINFRA
from group_data.schema.paths import CHECKOUT

INVENTORY = """
from pyinfra import config, state
from preflight import noise
config.FAIL_PERCENT = 0
state.should_raise_failed_hosts = None
noise.silence()
noise.silence()
hosts = ["@local"]
"""

HEAD = """
from pyinfra import host, logger
from pyinfra.api import FactBase, FunctionCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.operations import python, server
from preflight import screen

class Lost(FactBase):
    def command(self):
        return "echo 'the host says why' >&2; exit 3"

@operation()
def nothing():
    host.noop("is so")
    return
    yield

@operation()
def refuse():
    def say(state, host):
        host.log_styled("not like this", fg="red", log_func=logger.error)
        return False
    yield FunctionCommand(say, [], {})

@operation()
def loudly():
    def say(state, host):
        return host.run_shell_command("echo word; echo 'the program says why'; exit 2", print_output=True)[0]
    yield FunctionCommand(say, [], {})

screen.follow_steps()
nothing(name="Nothing")
"""


@pytest.fixture
def run(tmp_path: Path) -> object:
    """Runs steps, and returns exit code, output, and what was noted for the command."""
    (tmp_path / "inventory.py").write_text(INVENTORY)

    def go(steps: str, *options: str, **variables: str) -> tuple[int, list[str], dict[str, object]]:
        (tmp_path / "deploy.py").write_text(HEAD + steps)
        note = tmp_path / "note"
        done = subprocess.run(
            [sys.executable, *PYINFRA, "inventory.py", "deploy.py", *(options or ["--yes"])],
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": str(CHECKOUT), "DEPLOY_NOTE": str(note)}
            | {"DEPLOY_QUIET": "1"}
            | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), json.loads(note.read_text()) if note.exists() else {}

    return go


def test_steps_without_a_change_are_not_shown(run) -> None:  # type: ignore[no-untyped-def]
    code, lines, noted = run("server.shell(name='Something', commands=['true'])\nnothing(name='Nothing more')\n")
    assert (code, lines) == (0, ["  Something: @local"])
    assert noted == {"changed": 1, "told": False, "unreleased": []}


def test_the_words_of_a_host_stay(run) -> None:  # type: ignore[no-untyped-def]
    steps = "python.call(name='Call', function=lambda: host.log('12 of 30 MB'))\nlogger.warning('take care')\n"
    code, lines, _ = run(steps)
    assert (code, [line.strip() for line in lines]) == (0, ["take care", "[@local] 12 of 30 MB", "Call: @local"])


def test_a_difference_is_shown_and_the_content_of_a_new_file_is_not(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "old").write_text("one\ntwo\n")
    (tmp_path / "new").write_text("one\nthree\n")
    steps = "".join(f"files.put(name='Put', src='new', dest='{tmp_path}/{name}')\n" for name in ("old", "made"))
    _, lines, _ = run(f"from pyinfra.operations import files\n{steps}", "--dry", "--diff", "--json")
    text = "\n".join(lines)
    assert "- two" in text
    assert text.count("+ three") == 1
    assert f"Will create {tmp_path}/made" in text


def test_a_long_step_is_named_while_it_works(run) -> None:  # type: ignore[no-untyped-def]
    _, lines, _ = run("server.shell(name='Long', commands=['sleep 5'])\n")
    assert lines == ["  Long …", "  Long: @local, 5 s"]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            "server.shell(name='Fails', commands=['echo first >&2; echo why >&2; exit 4'])\n",
            ["Fails failed on @local:", "[@local] first", "[@local] why"],
        ),
        ("refuse(name='Refuses')\n", ["Refuses failed on @local:", "[@local] not like this"]),
        ("loudly(name='Loud')\n", ["[@local] word", "[@local] the program says why"]),
        ("raise DeployError('stage: this cannot be')\n", ["stage: this cannot be"]),
        ("host.get_fact(Lost)\n", ["[@local] the host says why"]),
        ("server.user(name='Odd', user='x', nonsense=1)\n", None),
    ],
)
def test_a_failure_tells_its_reason_once_and_last(run, steps: str, words: list[str] | None) -> None:  # type: ignore[no-untyped-def]
    code, lines, noted = run(steps)
    assert code == 1
    if words is not None:
        assert [line.strip() for line in lines] == words
        assert noted["told"] is True
    for noise in ("executed 0", "No hosts remaining", "pyinfra error"):
        assert not any(noise in line for line in lines)


def test_with_verbose_pyinfra_says_all(run) -> None:  # type: ignore[no-untyped-def]
    _, lines, noted = run("", DEPLOY_QUIET="")
    assert any("Starting operation: Nothing" in line for line in lines)
    assert noted == {}
