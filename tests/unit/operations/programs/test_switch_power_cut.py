"""switch.sh: the machine goes down in the middle, and nobody calls the end. The next action does."""

import pytest

from tests.unit.operations.programs.interruption import STEPS, interrupt
from tests.unit.operations.programs.stubs import StubHost

OLD, NEW = "20260101000000", "20260201000000"


@pytest.mark.parametrize("step", STEPS)
def test_the_next_action_ends_one_that_a_power_cut_left(host: StubHost, step: str) -> None:
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, step, "release", "0.2.0")
    words = host.run("restart")
    assert "release 0.2.0 was cut off: ending that first" in words
    assert "release 0.2.0: FAILED: it was ended from outside: the machine went down" in words
    assert words.splitlines()[-1] == "restart 0.1.0: done"
    assert host.log == ["release 0.2.0 ended", "restart 0.1.0 good"]
    assert host.current == "0.1.0"


# What a release has noted when it settles. The first six come at once.
NOTES = (
    "action", "version", "before", "since", "who", "revision", "migrations", "backup", "migrating", "migrating_since",
    "migrated", "restarted",
)  # fmt: skip


@pytest.mark.parametrize("kept", range(6, len(NOTES) + 1))
def test_the_release_before_runs_again_also_when_a_power_cut_took_the_last_notes(host: StubHost, kept: int) -> None:
    """systemd starts the linked release when the machine comes up: another one than the link names after going back."""
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, "settling", "release", "0.2.0")
    notes = (host.state / "switching").read_text().splitlines(keepends=True)
    assert tuple(note.partition("=")[0] for note in notes) == NOTES
    (host.state / "switching").write_text("".join(notes[:kept]))
    host.calls_file.write_text("")
    words = host.run("migrate")
    assert "0.1.0 runs and answers again." in words
    assert words.splitlines()[-1] == "migrate 0.1.0: done"
    assert host.called("systemctl restart billing_stage.service") == 1
    assert host.log == ["release 0.2.0 ended", "migrate 0.1.0 good"]


def test_an_action_that_was_finished_before_a_power_cut_is_good(host: StubHost) -> None:
    interrupt(host, "settling", "release", "0.2.0")
    with (host.state / "switching").open("a") as notes:
        notes.write("finished=yes\n")
    assert "release 0.2.0: done" in host.run("restart")
    assert host.log == ["release 0.2.0 good", "restart 0.2.0 good"]
    assert host.current == "0.2.0"


def test_an_end_that_was_cut_off_is_done_by_the_next_action(host: StubHost) -> None:
    interrupt(host, "settling", "release", "0.2.0")
    (host.path / "reached").unlink()
    interrupt(host, "going back", "end")
    assert host.is_busy
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    assert (host.current, host.log) == ("0.1.0", ["release 0.2.0 ended", "restart 0.1.0 good"])
