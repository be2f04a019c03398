"""Commands that fail although nobody expected it: the outcome is "failed", with line and command, and never "ended"."""

import re

import pytest

from tests.unit.operations.programs.host_directory import FIRST, SECOND
from tests.unit.operations.programs.stubs import World

ON_LINK = 'case "$*" in *.billing.new*) exit 1 ;; esac'

# Command, line of its hook, the reason: a pattern.
FAILURES = {
    "ln": ("ln", "exit 1", r"the link \S+/\.billing\.new could not be made, for the reason above"),
    "mv of the link": ("mv", ON_LINK, r"the link \S+/billing could not be renamed into place, for the reason above"),
    "mv of the backup": (
        "mv",
        'case "$*" in *.dump) exit 1 ;; esac',
        r'line \d+ of billing_stage-switch failed with status 1: mv "\$file\.part" "\$file"',
    ),
    # Of a pipe, bash names the last command.
    "df": ("df", "exit 5", r"line \d+ of billing_stage-switch failed with status 5: tail -n 1"),
    "sync": ("sync", "exit 6", r'line \d+ of billing_stage-switch failed with status 6: sync "\$file\.part"'),
    "find": ("find", "exit 7", r"line \d+ of billing_stage-switch failed with status 7: xargs -r rm -f --"),
    "awk": ("awk", "exit 8", r"line \d+ of billing_stage-switch failed with status 8: awk .*"),
    "xargs": ("xargs", "exit 9", r"line \d+ of billing_stage-switch failed with status 9: .*xargs.*"),
    "systemctl show": (
        "systemctl",
        '[ "$1" != show ] || exit 4',
        r"line \d+ of billing_stage-switch failed with status 4: .*systemctl show --property.*",
    ),
}


@pytest.mark.parametrize(("command", "line", "reason"), FAILURES.values(), ids=list(FAILURES))
def test_a_command_fails(world: World, command: str, line: str, reason: str) -> None:
    world.hook(command, line)
    run = world.run("release", "0.2.0")
    assert run.status == 1
    assert re.fullmatch(f"release 0.2.0: FAILED: {reason}", run.last), run.output
    assert (world.linked, world.log) == ("releases/0.1.0", [("release", "0.2.0", "failed")])
    assert not world.progress.exists()


def test_no_value_shows(world: World) -> None:
    """The command is named as the program has it."""
    world.hook("sync", "exit 1")
    assert str(world.state) not in world.run("release", "0.2.0").last


def test_a_variable_that_is_missing(world: World) -> None:
    """bash ends there and then, and the trap does not run."""
    world.set("broken", "; unset migrate_expression")
    run = world.run("release", "0.2.0")
    assert run.last == (
        "release 0.2.0: FAILED: it ended with status 1 and could not write the reason down: see its last words above"
    )
    assert (world.running, world.log) == ("0.1.0", [("release", "0.2.0", "failed")])


def test_the_link_leads_elsewhere(world: World) -> None:
    """The application user could exchange a directory above it."""
    elsewhere = world.path / "elsewhere"
    world.root.rename(elsewhere)
    world.root.symlink_to(elsewhere)
    run = world.run("release", "0.2.0")
    assert run.last == f"release 0.2.0: FAILED: {world.root} leads elsewhere: apply first"
    assert (elsewhere / "billing").readlink().name == "0.1.0"


# --- A full disk ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [["release", "0.2.0"], ["rollback", "0.2.0"], ["restart"], ["migrate-down", FIRST]])
def test_on_a_full_disk_nothing_begins(world: World, action: list[str]) -> None:
    world.fill_disk()
    run = world.run(*action)
    assert run.status == 1
    assert re.match(r"FAILED: line \d+ of billing_stage-switch failed with status 1: printf", run.last), run.output
    assert (world.log, world.calls, world.progress.exists()) == ([], [], False)
    assert (world.linked, world.running, world.applied) == ("releases/0.1.0", "0.1.0", [FIRST])


STEPS = {
    "before the link": "ln",
    "between link and restart": "mv",
    "after the restart": "sync",
}


@pytest.mark.parametrize("command", STEPS.values(), ids=list(STEPS))
def test_the_disk_fills_up(world: World, command: str) -> None:
    """The reason cannot be written down; that it failed is known by its exit status."""
    world.fill_disk(command)
    run = world.run("release", "0.2.0")
    assert re.search(r"^FAILED: line \d+ of billing_stage-switch failed with status 1: ", run.output, re.MULTILINE)
    assert (run.status, run.last) == (
        1,
        "release 0.2.0: FAILED: it ended with status 1 and could not write the reason down: see its last words above",
    )
    assert (world.linked, world.running, world.progress.exists()) == ("releases/0.1.0", "0.1.0", False)


def test_the_log_cannot_be_written(world: World) -> None:
    (world.state / "revisions.log").mkdir()
    run = world.run("release", "0.2.0")
    assert f"This could not be written to {world.state}/revisions.log: make room there" in run.lines
    assert (run.last, world.progress.exists()) == ("release 0.2.0: done", False)


@pytest.mark.parametrize("text", ["", "action=release\nversion=0.2.0\n"], ids=["empty", "without a beginning"])
def test_a_progress_file_that_says_nothing_changes_nothing(world: World, text: str) -> None:
    """As a power cut may leave it."""
    world.progress.write_text(text)
    world.link.unlink()
    world.link.symlink_to("releases/0.2.0")
    run = world.end()
    assert run.last == (
        f"{world.progress} does not say which action it is about: it is removed, and nothing else is changed"
    )
    assert (world.linked, world.log, world.calls, world.progress.exists()) == ("releases/0.2.0", [], [], False)


def test_an_empty_progress_file_is_in_nobodys_way(world: World) -> None:
    world.progress.touch()
    assert world.run("release", "0.2.0").last == "release 0.2.0: done"
    assert world.applied == [FIRST, SECOND]


def test_an_end_without_a_beginning_changes_nothing(world: World) -> None:
    assert (world.end("success", "0").lines, world.calls, world.log) == ([], [], [])
