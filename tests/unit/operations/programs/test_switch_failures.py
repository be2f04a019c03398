"""Releases that fail: the one before goes on, and the last line says why."""

from collections.abc import Callable

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World

ENDED = "billing_stage.service ended by itself"
ANSWERS = {
    "does not start": ENDED,
    "ends while it starts": ENDED,
    "health 500": "/health answered 500 through nginx, still after 0 seconds",
    "no answer": "/health answered nothing through nginx, still after 0 seconds",
    "boots 0.1.0": "version 0.1.0 runs, not 0.2.0: the release boots another one than it says",
    "node silent": "the site answers, and the node does not: bin/billing rpc failed",
    "ends while settling": ENDED,
    "health fails after settling": "/health answered 500 through nginx after 2 seconds",
}


def let_wait(world: World, fault: str) -> None:
    """A release that never answers is given up at once."""
    if fault in {"health 500", "no answer"}:
        world.set("health_timeout", "0")


@pytest.mark.parametrize(("fault", "reason"), ANSWERS.items(), ids=list(ANSWERS))
def test_a_release_that_is_not_well(world: World, fault: str, reason: str) -> None:
    world.break_release("0.2.0", fault)
    let_wait(world, fault)
    run = world.run("release", "0.2.0")
    assert (run.status, run.last) == (1, f"release 0.2.0: FAILED: {reason}")
    assert (world.linked, world.running) == ("releases/0.1.0", "0.1.0")
    assert world.log == [("release", "0.2.0", "failed")]
    assert "    last words of 0.2.0" in run.lines
    assert "0.1.0 runs and answers again." in run.lines
    assert not world.progress.exists()


@pytest.mark.parametrize("fault", list(ANSWERS))
def test_a_first_release_that_fails_leaves_none(world: World, fault: str) -> None:
    world.link.unlink()
    world.break_release("0.2.0", fault)
    let_wait(world, fault)
    run = world.run("release", "0.2.0")
    assert run.last == f"release 0.2.0: FAILED: {ANSWERS[fault]}"
    assert "There was no release before: stopping" in run.lines
    assert (world.linked, world.running, world.log) == ("", "", [("release", "0.2.0", "failed")])
    assert world.order("systemctl stop billing_stage.service", "systemctl reset-failed") == [
        "systemctl reset-failed", "systemctl stop billing_stage.service", "systemctl reset-failed",
    ]  # fmt: skip


def test_a_release_that_does_not_stop_is_killed(world: World) -> None:
    world.break_release("0.2.0", "health 500")
    world.set("health_timeout", "0")
    world.hook("systemctl", '[ "$1 $2" != "stop billing_stage.service" ] || exit 1')
    assert "0.1.0 runs and answers again." in world.run("release", "0.2.0").lines
    assert "systemctl kill --signal SIGKILL billing_stage.service" in world.calls


@pytest.mark.parametrize("fault", list(ANSWERS))
def test_going_back_fails_too(world: World, fault: str) -> None:
    world.break_release("0.1.0", fault.replace("0.1.0", "0.0.9"))
    world.break_release("0.2.0", "does not start")
    let_wait(world, fault)
    run = world.run("release", "0.2.0")
    trouble = ANSWERS[fault].replace("0.1.0", "0.0.9").replace("not 0.2.0", "not 0.1.0")
    assert run.last == (f"release 0.2.0: FAILED: {ENDED}; and 0.1.0, which ran before, is not well either: {trouble}")
    assert "    last words of 0.1.0" in run.lines
    assert (world.linked, world.log) == ("releases/0.1.0", [("release", "0.2.0", "failed")])


@pytest.mark.parametrize("action", ["release", "rollback"])
def test_a_version_that_is_not_there(world: World, action: str) -> None:
    run = world.run(action, "9.9.9")
    assert (run.status, run.last) == (1, f"{action} 9.9.9: FAILED: there is no release 9.9.9")
    assert (world.running, world.order("systemctl restart")) == ("0.1.0", [])
    assert world.log == [(action, "9.9.9", "failed")]


@pytest.mark.parametrize("action", [["restart"], ["migrate"], ["migrate-down", SECOND]])
def test_nothing_to_do_it_with(world: World, action: list[str]) -> None:
    world.link.unlink()
    run = world.run(*action)
    assert (run.status, run.last) == (1, f"{action[0]} : FAILED: there is no release yet: make release")
    assert world.order("systemctl restart", "systemctl stop billing_stage.service", "billing") == []


@pytest.mark.parametrize("arguments", [[], ["unknown"]])
def test_usage(world: World, arguments: list[str]) -> None:
    run = world.run(*arguments)
    assert (run.status, run.lines[0][:6], world.log) == (64, "usage:", [])


def test_a_migration_after_the_check_that_fails(make_world: Callable[..., World]) -> None:
    """The new version serves already: it goes back all the same."""
    world = make_world(migrate="after")
    world.break_release("0.2.0", "migrates 0 1")
    run = world.run("release", "0.2.0")
    assert run.last == "release 0.2.0: FAILED: the migration failed, for the reason above"
    assert (world.running, world.linked, world.applied) == ("0.1.0", "releases/0.1.0", [FIRST])
    assert world.log == [("release", "0.2.0", "failed")]


def test_a_name_of_the_link_that_is_no_version_counts_as_none(world: World) -> None:
    """The application user can change the link."""
    world.link.unlink()
    world.link.symlink_to("releases/$(id)")
    world.break_release("0.2.0", "does not start")
    assert "There was no release before: stopping" in world.run("release", "0.2.0").lines
    assert world.linked == ""
