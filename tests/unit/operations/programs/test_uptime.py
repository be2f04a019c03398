"""Waits end on time, whatever happens to the clock."""

import re
import time
from pathlib import Path

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox


def test_no_program_measures_a_wait_by_the_time_of_day() -> None:
    """bash's SECONDS follows it, and so does each timestamp of systemd that is not monotonic."""
    programs = {path.name: path.read_text() for path in program.PROGRAMS.glob("*.sh")}
    words = {name: re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE) for name, text in programs.items()}
    clock = re.compile(r"\bSECONDS\b|date [^)]*\) (-ge|-lt|>=)|Timestamp\b|-[cm]min\b|-newer[acm]?t\b(?! now)")
    assert [name for name, text in words.items() if clock.search(text)] == []


def asked(sandbox: Sandbox, started: float) -> int:
    """How often an application without an answer is asked within its second for a start.

    + started: by the clock of systemd that nobody sets, in seconds
    """
    sandbox.stub("systemctl", f'case "$*" in *Monotonic*) echo {int(started * 10**6)} ;; *) exit 1 ;; esac')
    sandbox.stub("date", "echo 'the time of day counts' >&2; exit 1")
    sandbox.stub("ask", "echo asked; exit 1")
    done = sandbox.run("while_starting.sh", "billing_stage.service", "1", "ask")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.count("asked")


@pytest.mark.parametrize(
    ("ago", "waits"), [(0, True), (86400, False), (-86400, True)], ids=["now", "yesterday", "another-counter"]
)
def test_an_application_that_starts_is_waited_for(sandbox: Sandbox, ago: float, waits: bool) -> None:
    """A start after the present is one of a machine whose container counts from a later start."""
    now = float(Path("/proc/uptime").read_text().split()[0])
    began = time.monotonic()
    assert (asked(sandbox, max(now - ago, 1)) > 1) == waits
    assert time.monotonic() - began < 10
