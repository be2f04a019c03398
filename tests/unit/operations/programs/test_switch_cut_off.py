"""The machine goes down in the middle, and systemd calls no end: the next action ends that first."""

import signal

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World
from tests.unit.operations.programs.test_switch_interrupted import STEPS, Step

CUT_OFF = "release 0.2.0 was cut off: ending that first"

# What a release has noted when it settles, in order. `begin` writes the first six at once.
BEGUN = ["action", "version", "before", "since", "who", "revision"]
NOTES = [*BEGUN, "migrations", "backup", "migrating", "migrating_since", "migrated", "restarted"]


@pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))
def test_the_next_action_ends_it(world: World, step: Step) -> None:
    world.interrupt(step.command, signal.SIGKILL, "release", "0.2.0", call=step.call)
    world.boot()
    run = world.run("migrate")
    assert run.lines[0] == CUT_OFF
    assert "release 0.2.0: FAILED: it was ended from outside" in run.lines
    assert (run.last, world.linked, world.running) == ("migrate 0.1.0: done", "releases/0.1.0", "0.1.0")
    assert world.log == [("release", "0.2.0", "ended"), ("migrate", "0.1.0", "good")]


@pytest.mark.parametrize("count", range(len(BEGUN), len(NOTES) + 1))
def test_the_last_notes_are_lost(world: World, count: int) -> None:
    """The disk had not written them yet. The link may be on it all the same."""
    world.interrupt("sleep", signal.SIGKILL, "release", "0.2.0", call="1")
    notes = world.progress.read_text().splitlines()
    assert [note.split("=")[0] for note in notes] == NOTES
    world.progress.write_text("".join(f"{note}\n" for note in notes[:count]))
    world.boot()
    assert world.running == "0.2.0"
    run = world.run("migrate")
    assert run.lines[0] == CUT_OFF
    assert (run.last, world.linked, world.running) == ("migrate 0.1.0: done", "releases/0.1.0", "0.1.0")


def test_a_release_that_had_succeeded_stays(world: World) -> None:
    """It went down between its last word and its end."""
    assert world.start("release", "0.2.0").status == 0
    world.boot()
    run = world.run("restart")
    assert run.lines[:2] == [CUT_OFF, "release 0.2.0: done"]
    assert world.log == [("release", "0.2.0", "good"), ("restart", "0.2.0", "good")]
    assert world.running == "0.2.0"


def test_the_end_itself_is_cut_off(world: World) -> None:
    world.break_release("0.2.0", "does not start")
    world.start("release", "0.2.0")
    world.interrupt("systemctl", signal.SIGKILL, "end", call="stop?billing_stage.service*")
    world.boot()
    run = world.run("restart")
    assert "release 0.2.0: FAILED: billing_stage.service ended by itself" in run.lines
    assert (run.last, world.running, world.applied) == ("restart 0.1.0: done", "0.1.0", [FIRST, SECOND])
    assert world.log == [("release", "0.2.0", "failed"), ("restart", "0.1.0", "good")]


def test_what_ran_when_the_plan_was_made_is_compared_after_that(world: World) -> None:
    world.interrupt("curl", signal.SIGKILL, "release", "0.2.0")
    world.boot()
    run = world.run("restart", BEFORE="0.2.0")
    assert run.last.startswith("FAILED: 0.1.0 runs now, and 0.2.0 ran when the plan was made")
    assert (world.running, world.log) == ("0.1.0", [("release", "0.2.0", "ended")])
