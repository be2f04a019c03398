"""Whatever an application or a host says, no command lets it steer the terminal or forge a line, in a pipe either."""

import sys

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.project import Run
from tests.host.terminal import terminal

# What a host says is the same on both releases.
pytestmark = TRIXIE

# A title, the clipboard, a C1 sequence, a carriage return, text from right to left.
NASTY = "\x1b]0;owned\x07\x1b]52;c;bGF0ZXI=\x07\x9b31m first\rsecond \u202egnp"
OBEYED = ("\x1b]", "\x07", "\x9b", "\u202e", "first\rsecond")

# The same for printf(1) and for Elixir.
PRINTED = r"\033]0;owned\007\033]52;c;bGF0ZXI=\007\302\23331m first\rsecond \342\200\256gnp\n"
ELIXIR = r"\e]0;owned\a\e]52;c;bGF0ZXI=\a\x{9b}31m first\rsecond \u202egnp"


def said(host: Host, *arguments: str) -> list[Run]:
    """What a command says in a pipe and on a terminal."""
    command = [sys.executable, "-m", "commands", *arguments]
    with terminal(command, host.project.path, **host.project.environment) as shown:
        return [host.project.run(*command), shown.finish()]


def require_harmless(runs: list[Run], *words: str) -> None:
    for run in runs:
        assert [mark for mark in OBEYED if mark in run.output] == []
        for word in words:
            assert word in run.output, run.output


def test_logs(running: Host) -> None:
    running.machine.run(
        f"printf '{PRINTED}' | systemd-cat --identifier billing"
        f" && systemd-run --quiet --wait --unit billing_stage-switch.service printf '{PRINTED}'"
    )
    expression = f'IO.puts(:user, "{ELIXIR}")'
    running.project.run(sys.executable, "-m", "commands", "rpc", "stage", expression)
    require_harmless(said(running, "logs", "stage", "--no-follow"))


def test_rpc(running: Host) -> None:
    require_harmless(said(running, "rpc", "stage", f'IO.puts("{ELIXIR}")'), "]52;c;bGF0ZXI=")


def test_task(running: Host) -> None:
    require_harmless(said(running, "task", "stage", f'IO.puts("{ELIXIR}")'), "]52;c;bGF0ZXI=")


@pytest.mark.everything
def test_a_plan_that_shows_a_file(running: Host) -> None:
    running.machine.run(f"printf '# {PRINTED}' >> /etc/nginx/sites-available/billing_stage")
    require_harmless(said(running, "plan", "stage"), "]52;c;bGF0ZXI=")


@pytest.mark.everything
def test_status_doctor_and_releases(running: Host) -> None:
    """The link says which release runs, and the journal why a unit ended."""
    running.machine.run("cat > /usr/local/libexec/nasty", stdin=f"#!/bin/sh\nprintf '{PRINTED}'\nexit 1\n")
    drop_in = "[Service]\nExecStart=\nExecStart=/bin/sh /usr/local/libexec/nasty\n"
    running.machine.run(
        "cd /etc/systemd/system && mkdir -p billing_stage.service.d && cat > billing_stage.service.d/nasty.conf",
        stdin=drop_in,
    )
    running.machine.run(
        "systemctl daemon-reload; systemctl stop billing_stage; systemctl start --no-block billing_stage; sleep 3;"
        f" cd /home/billing/stage && ln -sfn \"releases/$(printf '{PRINTED}forged  good')\" billing"
    )
    for command in (
        ["status", "stage"],
        ["doctor", "stage"],
        ["releases", "stage"],
        ["ping", "stage"],
        ["drift", "stage"],
    ):
        require_harmless(said(running, *command))
