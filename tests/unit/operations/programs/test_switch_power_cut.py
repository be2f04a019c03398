"""switch.sh: the machine goes down in the middle, and nobody calls the end. The next action does."""

import pytest

from tests.unit.operations.programs.interruption import STEPS, interrupt
from tests.unit.operations.programs.stubs import StubHost
from tests.unit.sample import sample

OLD, NEW = "20260101000000", "20260201000000"


@pytest.mark.parametrize("step", sample(STEPS, "backup", "migration", "settling"))
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


# What a release has noted when it settles. The first eight come at once.
NOTES = (
    "action", "version", "before", "since", "uptime", "who", "revision", "invocation", "migrations", "backup", "migrating",
    "connected", "migrated", "restarted", "restarted_uptime",
)  # fmt: skip


@pytest.mark.parametrize("kept", sample(range(7, len(NOTES) + 1), 7, 9, len(NOTES)))
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


# --- At boot ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_what_was_cut_off_is_ended_at_boot(host: StubHost, step: str) -> None:
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, step, "release", "0.2.0")
    words = host.resume().splitlines()
    assert words[0] == "release 0.2.0 was cut off: ending that"
    assert words[-1] == "release 0.2.0: FAILED: it was ended from outside: the machine went down"
    assert (host.current, host.log, host.is_busy) == ("0.1.0", ["release 0.2.0 ended"], False)
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"


def test_a_boot_without_a_cut_changes_nothing(host: StubHost) -> None:
    assert host.resume() == ""
    assert (host.current, host.log, host.called("restart")) == ("0.1.0", [], 0)


def test_the_end_at_boot_leaves_an_action_alone_that_is_at_work(host: StubHost) -> None:
    interrupt(host, "settling", "release", "0.2.0")
    host.stub("systemctl", 'case "$*" in *ActiveState*billing_stage-switch.service) echo activating ;; esac\n')
    assert host.resume() == ""
    assert host.is_busy


def test_an_action_waits_for_the_end_at_boot(host: StubHost) -> None:
    interrupt(host, "settling", "release", "0.2.0")
    end = 'case "$*" in *ActiveState*boot-switch.service) [ -e "$HOST/asked" ] || echo active; : > "$HOST/asked" ;; '
    host.stub(
        "systemctl", f"{end} *MainPID*) echo 7 ;; *ControlGroup*) echo /system.slice/billing_stage.service ;; esac\n"
    )
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    assert host.called("sleep 1") > 0


def test_a_failure_to_end_what_was_cut_off_is_not_the_versions(host: StubHost) -> None:
    """systemd calls the end also after an action that did not begin, with a result that is about that one."""
    interrupt(host, "settling", "release", "0.2.0")
    words = host.end(SERVICE_RESULT="exit-code", EXIT_STATUS="1", INVOCATION_ID="another")
    assert words.splitlines()[-1] == "release 0.2.0: FAILED: it was ended from outside: the machine went down"
    assert (host.current, host.log) == ("0.1.0", ["release 0.2.0 ended"])


# --- Notes that are damaged ------------------------------------------------------------------------------------------

WHOLE = "action=release\nversion=0.2.0\nbefore=0.1.0\nsince=1700000000\nwho=ann@desk\nrevision=-\n"
DAMAGED = {
    "empty": "",
    "cut short": WHOLE[:30],
    "cut short at its end": WHOLE[:-12],
    "null bytes": "\0" * 80,
    "no time": WHOLE.replace("1700000000", ""),
    "a time that is none": WHOLE.replace("1700000000", "1 + a[$(reboot)]"),
}
ACTIONS = [["release", "0.2.0"], ["rollback", "0.2.0"], ["migrate"], ["migrate-down", OLD], ["end"], ["resume"]]


@pytest.mark.parametrize("notes", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("action", ACTIONS, ids=[action[0] for action in ACTIONS])
def test_damaged_notes_touch_nothing(host: StubHost, notes: str, action: list[str]) -> None:
    (host.state / "switching").write_text(notes)
    words = host.run(*action)
    assert "switching does not say which action was cut off (it lacks: " in words
    assert "Nothing was changed, and 0.1.0 stays linked" in words
    assert "make restart ENV=stage goes on from it" in words
    assert (host.current, host.log) == ("0.1.0", [])
    assert (host.state / "switching").read_text() == notes
    assert not [call for call in host.calls if call.startswith("systemd-run") or "stop" in call or "restart" in call]


@pytest.mark.parametrize("notes", DAMAGED.values(), ids=DAMAGED)
def test_the_way_out_of_damaged_notes(host: StubHost, notes: str) -> None:
    (host.state / "switching").write_text(notes)
    words = host.run("restart").splitlines()
    assert words[-1] == "restart 0.1.0: done"
    assert (host.current, host.log, host.is_busy) == ("0.1.0", ["restart 0.1.0 good"], False)
    assert (host.state / "switching.damaged").read_text() == notes
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"


def test_notes_that_cannot_be_read_touch_nothing(host: StubHost) -> None:
    (host.state / "switching").mkdir()
    assert "Nothing was changed" in host.run("release", "0.2.0")
    assert (host.current, host.log) == ("0.1.0", [])
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"


def test_a_note_after_a_half_line_counts(host: StubHost) -> None:
    interrupt(host, "settling", "release", "0.2.0")
    with (host.state / "switching").open("a") as notes:
        notes.write("rea")
    host.resume()
    assert (host.current, host.log) == ("0.1.0", ["release 0.2.0 ended"])
