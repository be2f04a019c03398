"""task and exec: an expression, or a line of shell, beside the running node."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyinfra.api import Inventory

from commands import beside, exec, remote, task
from connectors.frame import ANNOUNCE
from group_data.schema.environment import Environment
from tests.unit.conftest import STAGE

Run = Callable[[str], int]


@pytest.fixture
def run(
    inventory: Callable[..., Inventory],
    environment: Callable[..., Environment],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[str], Run]:
    """Makes a host that runs a script of sh in place of the program."""

    stub = tmp_path / "ssh"

    def on_host(script: str) -> Run:
        host = inventory(stage=STAGE).get_host("stage")
        monkeypatch.setattr(beside, "targets", lambda _: [(host, environment())])
        stub.write_text(f"#!/bin/sh\n{ANNOUNCE}\n{script}\n")
        stub.chmod(0o755)
        monkeypatch.setattr(remote, "ssh", lambda *_, **__: [str(stub)])
        return lambda expression: CliRunner().invoke(task.command, ["stage", "--", expression]).exit_code

    return on_host


def test_the_words_for_the_host(environment: Callable[..., Environment]) -> None:
    stage = environment(task_timeout=60)
    words, others = beside.words(stage), beside.words(stage)
    assert words[:4] == ["sudo", "-n", "bash", "-c"]
    assert words[-4] == "eval"
    assert beside.words(stage, is_shell=True)[-4] == "shell"
    unit, *rest = words[-3:]
    assert rest == ["60", "30"]
    assert unit.startswith("billing_stage-task-")
    assert unit.endswith(".service")
    # Two may run at once, also beside the migration of a release.
    assert unit not in (others[-3], stage.task_unit)


def test_the_exit_code_is_the_expressions(run: Callable[[str], Run]) -> None:
    assert run("exit 7")("1") == 7
    assert run("exit 0")("1") == 0


def test_the_host_hears_that_somebody_waits(run: Callable[[str], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "BEAT", 0.1)
    assert run("read -r a && read -r b && exit 3")("1") == 3


def test_the_expression_goes_over_standard_input(run: Callable[[str], Run], tmp_path: Path) -> None:
    received = tmp_path / "received"
    assert run(f"head -c 7 > {received}")("-1\n'x'") == 0
    assert received.read_bytes() == b"-1\n'x'\0"


def test_an_expression_is_asked_for() -> None:
    result = CliRunner().invoke(task.command, ["stage"])
    assert result.exit_code == 1
    assert "make task ENV=stage EXPR='IO.puts(1 + 1)'" in result.output


def test_a_line_of_shell_is_sent_as_it_is(run: Callable[[str], Run], tmp_path: Path) -> None:
    run(f"IFS= read -r -d '' line; printf '%s' \"$line\" > {tmp_path}/line; exit 4".replace("read -r -d ''", "read -r"))
    text = "echo \"$HOME\" 'a b' | cat"
    assert CliRunner().invoke(exec.command, ["stage", "--", text]).exit_code == 4
    assert (tmp_path / "line").read_bytes().rstrip(b"\0") == text.encode()


def test_without_a_line_it_says_what_to_type() -> None:
    told = CliRunner().invoke(exec.command, ["stage"])
    assert (told.exit_code, "make exec ENV=stage CMD='ls lib'" in told.output) == (1, True)
