"""The lock's holder is shown, and the lock of this holder is broken."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from pyinfra.api import Host, Inventory

from commands import unlock
from commands.unlock import WARNING
from preflight import selection
from tests.unit.conftest import PROD, STAGE

HOLDER = "you@there since 2026-01-01 00:00:00 UTC (release)"


class Output:
    """The output of a command on a host."""

    def __init__(self, stderr: str) -> None:
        self.stderr = stderr


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]
) -> Callable[..., tuple[Result, list[str]]]:
    """The command on a machine with stage and prod: its result, and the commands on the host."""

    def make(holder: str | None, *arguments: str, refusal: str = "") -> tuple[Result, list[str]]:
        hosts = inventory(stage=STAGE, prod=PROD)
        ran: list[str] = []

        def run_on_host(_: Host, command: object, **__: object) -> tuple[bool, Output]:
            ran.append(str(command))
            return not refusal, Output(refusal)

        monkeypatch.setattr(selection, "read_inventory", lambda **_: hosts)
        monkeypatch.setattr(unlock, "fact", lambda *_: holder)
        monkeypatch.setattr(unlock, "ask", lambda _, asked, question: {host.name: question(host) for host in asked})
        monkeypatch.setattr(Host, "run_shell_command", run_on_host, raising=False)
        return CliRunner().invoke(unlock.command, ["stage", *arguments]), ran

    return make


def test_the_lock_of_the_shown_holder_is_broken(run: Callable[..., tuple[Result, list[str]]]) -> None:
    told, ran = run(HOLDER, "--yes")
    assert told.exit_code == 0
    assert f"the lock was held by {HOLDER}; it is broken" in told.stdout
    assert len(ran) == 1
    assert f"'{HOLDER}' billing_stage-switch.service billing_prod-switch.service" in ran[0]


def test_a_lock_that_changed_hands_is_a_failure(run: Callable[..., tuple[Result, list[str]]]) -> None:
    told, _ = run(HOLDER, "--yes", refusal="the lock changed hands meanwhile")
    assert told.exit_code == 1
    assert "the lock changed hands meanwhile" in told.stderr
    assert "it is broken" not in told.output


def test_without_a_terminal_the_consequence_is_told_and_nothing_broken(
    run: Callable[..., tuple[Result, list[str]]],
) -> None:
    told, ran = run(HOLDER)
    assert (told.exit_code, ran) == (1, [])
    assert WARNING in told.stdout


@pytest.mark.parametrize(("holder", "code"), [(None, 0), (HOLDER, 2)])
def test_a_look_breaks_nothing(run: Callable[..., tuple[Result, list[str]]], holder: str | None, code: int) -> None:
    told, ran = run(holder, "--show")
    assert (told.exit_code, ran) == (code, [])
