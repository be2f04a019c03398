"""Waits end on time, whatever happens to the clock."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox


def test_no_program_measures_a_wait_by_the_time_of_day() -> None:
    """bash's SECONDS follows it."""
    programs = {path.name: path.read_text() for path in program.PROGRAMS.glob("*.sh")}
    words = {name: re.sub(r"^ *#.*$", "", text, flags=re.MULTILINE) for name, text in programs.items()}
    assert [name for name, text in words.items() if re.search(r"\bSECONDS\b|date [^)]*\) (-ge|-lt|>=)", text)] == []


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)])
def test_a_clock_that_was_set_since_the_start(sandbox: Sandbox, ahead: timedelta) -> None:
    """An application that started tomorrow is waited for as long as any other, and one of yesterday not at all."""
    start = datetime.now(UTC) + ahead
    sandbox.stub("systemctl", f"echo '{start:%a %Y-%m-%d %H:%M:%S.%f} UTC'")
    sandbox.stub("ask", "echo asked; exit 1")
    done = sandbox.run("while_starting.sh", "billing_stage.service", "1", "ask")
    assert (done.returncode, done.stderr) == (0, "")
    assert (done.stdout.count("asked") > 1) == (ahead > timedelta())
