"""What console, rpc and logs run on the host."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from pyinfra.api import Inventory

from commands import console, logs, rpc
from commands.options import Command
from group_data.schema.environment import Environment
from tests.unit.conftest import STAGE


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        (console, [], ["bin/billing", "remote"]),
        (rpc, ["--", "-1 + 1"], ["bin/billing", "rpc", "-1 + 1"]),
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
    monkeypatch.setattr(module, "become_ssh", lambda _, command, **__: ran.extend(command))
    # A runner is no terminal, without which there is no console.
    terminal: Any = type("sys", (), {"stdin": type("stdin", (), {"isatty": staticmethod(lambda: True)})})
    monkeypatch.setattr(console, "sys", terminal)
    command: Command = module.command
    assert CliRunner().invoke(command, ["stage", *arguments]).exit_code == 0
    assert ran[ran.index(words[0]) :][: len(words)] == list(words)
