"""The program is ended at a step: the release before goes on, and nothing is held against the new one."""

import signal
from typing import NamedTuple

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World


class Step(NamedTuple):
    """A step of a release, known by a command that does not return.

    + command: the command
    + call: a pattern for its arguments
    + switched: whether the link leads to the new release by then
    + restarted: whether the new one runs by then
    """

    command: str
    call: str = "*"
    switched: bool = False
    restarted: bool = False


STEPS = {
    "asks for migrations": Step("billing", "*Migrator*"),
    "asks the size of the database": Step("psql"),
    "backs up": Step("pg_dump"),
    "syncs the backup": Step("sync"),
    "migrates": Step("billing", "*Release.migrate*"),
    "links": Step("ln"),
    "renames the link": Step("mv", "*.billing.new*"),
    "restarts": Step("systemctl", "restart*", switched=True),
    "asks the process": Step("systemctl", "show*", switched=True),
    "asks the site": Step("curl", switched=True, restarted=True),
    "asks the node": Step("setpriv", switched=True, restarted=True),
    "settles": Step("sleep", "1", switched=True, restarted=True),
}
TERMINATE = "pg_terminate_backend(pid"


@pytest.mark.parametrize("step", STEPS.values(), ids=list(STEPS))
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_release_is_ended(world: World, step: Step, how: signal.Signals) -> None:
    world.interrupt(step.command, how, "release", "0.2.0", call=step.call)
    assert world.linked == f"releases/{'0.2.0' if step.switched else '0.1.0'}"
    assert world.running == ("0.2.0" if step.restarted else "0.1.0")
    result = ("success", "TERM") if how == signal.SIGTERM else ("signal", "KILL")
    run = world.end(*result)
    why = "" if how == signal.SIGTERM else " by signal KILL"
    assert run.last == f"release 0.2.0: FAILED: it was ended from outside{why}"
    assert (world.linked, world.running) == ("releases/0.1.0", "0.1.0")
    assert world.log == [("release", "0.2.0", "ended")]
    assert not world.progress.exists()
    assert not [name for name in world.backups if name.endswith(".part")]
    assert "systemctl stop billing_stage-task.service" in world.calls


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        ("success", "TERM", "it was ended from outside"),
        ("signal", "KILL", "it was ended from outside by signal KILL"),
        ("core-dump", "SEGV", "it was ended from outside by signal SEGV"),
        ("timeout", "TERM", "it was ended from outside: it took too long"),
        ("oom-kill", "KILL", "it was ended from outside: the machine had no memory left"),
        ("", "", "it was ended from outside"),
    ],
)
def test_it_says_from_where(world: World, result: str, status: str, reason: str) -> None:
    world.interrupt("curl", signal.SIGKILL, "release", "0.2.0")
    assert world.end(result, status).last == f"release 0.2.0: FAILED: {reason}"
    assert world.log == [("release", "0.2.0", "ended")]


def test_a_reason_that_was_written_down_counts(world: World) -> None:
    """It had failed already when somebody ended it."""
    world.break_release("0.2.0", "migrates 0 1")
    assert world.start("release", "0.2.0").status == 1
    assert world.end("success", "TERM").last == "release 0.2.0: FAILED: the migration failed, for the reason above"
    assert world.log[-1] == ("release", "0.2.0", "failed")


@pytest.mark.parametrize("managed", [True, False])
def test_an_interrupted_migration_is_ended_in_the_database(world: World, managed: bool) -> None:
    if not managed:
        world.set("database", "")
    world.interrupt("billing", signal.SIGKILL, "release", "0.2.0", call="*Release.migrate*")
    run = world.end("signal", "KILL")
    assert f"The database is as it was: applied are the migrations {FIRST}." in run.lines
    asked = [call for call in world.calls if call.startswith("psql") and TERMINATE in call]
    assert len(asked) == int(managed)


def test_a_migration_that_was_done_is_left_alone(world: World) -> None:
    world.interrupt("curl", signal.SIGKILL, "release", "0.2.0")
    run = world.end("signal", "KILL")
    assert not [call for call in world.calls if TERMINATE in call]
    assert f"THE DATABASE HAS CHANGED: applied are the migrations {FIRST} {SECOND}; before, {FIRST}." in run.lines


def test_a_first_release_is_ended(world: World) -> None:
    world.link.unlink()
    world.interrupt("curl", signal.SIGTERM, "release", "0.2.0")
    assert "There was no release before: stopping" in world.end("success", "TERM").lines
    assert (world.linked, world.running, world.log) == ("", "", [("release", "0.2.0", "ended")])


@pytest.mark.parametrize("action", [["restart"], ["migrate"], ["rollback", "0.1.0"], ["migrate-down", SECOND]])
def test_another_action_is_ended(world: World, action: list[str]) -> None:
    world.runs("0.2.0", FIRST, SECOND)
    world.interrupt("curl" if action[0] in {"restart", "rollback"} else "billing", signal.SIGTERM, *action)
    run = world.end("success", "TERM")
    version = "0.1.0" if action[0] == "rollback" else "0.2.0"
    assert run.last == f"{action[0]} {version}: FAILED: it was ended from outside"
    assert (world.linked, world.running, world.applied) == ("releases/0.2.0", "0.2.0", [FIRST, SECOND])
    assert world.log == [(action[0], version, "ended")]
