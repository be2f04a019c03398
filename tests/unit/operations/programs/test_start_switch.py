"""The start of a switch: only under the lock, followed to its end, and judged by root's log of revisions."""

import subprocess
import time

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

SYSTEMD_RUN = """\
printf '%s\\n' "$@" > asked
[ ! -e "/proc/$$/fd/9" ] || echo 'descriptor 9 is open' >> asked
[ ! -e written ] || cat written >> revisions.log
"""

# The journal in a file: unit, user id and text. It answers as journalctl does: values of one field are alternatives, and
# all fields must match. The lines of this run have the field that systemd was asked to add, and, if there is a file `clock`,
# the time in it.
JOURNALCTL = """\
[ "$1" != --sync ] || exit 0
for word; do
    case $word in
        DEPLOY_RUN=*) grep -qx -e "--property=LogExtraFields=$word" asked || exit 0 ;;
        --since=@*) since=${word#--since=@}; [ ! -e clock ] || [ "${since%.*}" -le "$(cat clock)" ] || exit 0 ;;
    esac
done
units=' ' users=' ' identifier=''
for word; do
    case $word in
        _SYSTEMD_UNIT=*) units="$units${word#*=} " ;;
        _UID=*) users="$users${word#*=} " ;;
        SYSLOG_IDENTIFIER=*) identifier=${word#*=} ;;
    esac
done
[ "$identifier" = billing-prod-switch ] || exit 1
while read -r unit user line; do
    case $units in ' ' | *" $unit "*) ;; *) continue ;; esac
    case $users in ' ' | *" $user "*) echo "$line" ;; esac
done < journal
"""
SWITCH, TASK = "billing-prod-switch.service", "billing-prod-task.service"


@pytest.fixture(autouse=True)
def systemd(sandbox: Sandbox) -> None:
    """A unit that has ended by the time it is looked at."""
    sandbox.stub("systemd-run", SYSTEMD_RUN)
    sandbox.stub("systemctl", '[ "$1" != show ] || echo inactive')
    says(sandbox, "release 0.2.0: done")
    records(sandbox, ("release", "0.2.0", "good"))


def says(sandbox: Sandbox, *lines: str) -> None:
    """What root writes in the unit of the switch."""
    journal(sandbox, *[(SWITCH, 0, line) for line in lines])


def journal(sandbox: Sandbox, *lines: tuple[str, int, str]) -> None:
    """What the journal holds with the identifier of the switch: unit, user and text of each line."""
    (sandbox.directory / "journal").write_text("".join(f"{unit} {user} {text}\n" for unit, user, text in lines))
    sandbox.stub("journalctl", JOURNALCTL)


RECORD = "2026-11-28T10:00:00Z\tann@desk\t{}\t{}\t-\t{}\t7\n"


def records(sandbox: Sandbox, *lines: tuple[str, str, str]) -> None:
    """What the switch writes into the log of revisions: action, version and outcome of each line."""
    (sandbox.directory / "written").write_text("".join(RECORD.format(*line) for line in lines))


def start(sandbox: Sandbox, *, locked: bool = True) -> subprocess.CompletedProcess[str]:
    switch = sandbox.command(
        "start_switch.sh", SWITCH, TASK, "/usr/local/libexec/switch-prod", "me@here", "abc", "0.1.0",
        "revisions.log", "release", "0.2.0",
    )  # fmt: skip
    return sandbox.over_ssh(*[sandbox.command("take_lock.sh", "me@here", "release")] * locked, switch)


def test_the_switch_is_shown_and_done(sandbox: Sandbox) -> None:
    says(sandbox, "switching", "release 0.2.0: done")
    done = start(sandbox)
    assert (done.returncode, done.stdout, done.stderr) == (0, "switching\nrelease 0.2.0: done\n", "")


def test_the_output_of_a_migration_is_shown(sandbox: Sandbox) -> None:
    journal(sandbox, (TASK, 1001, "a table is made"), (SWITCH, 0, "release 0.2.0: done"))
    done = start(sandbox)
    assert (done.returncode, done.stdout) == (0, "a table is made\nrelease 0.2.0: done\n")


@pytest.mark.parametrize("unit", [SWITCH, TASK, "user@1001.service", "billing-prod.service"])
def test_the_application_user_cannot_report_success(sandbox: Sandbox, unit: str) -> None:
    journal(sandbox, (SWITCH, 0, "release 0.2.0: FAILED: no memory"), (unit, 1001, "release 0.2.0: done"))
    assert start(sandbox).returncode == 1


def test_the_application_user_cannot_hide_a_success(sandbox: Sandbox) -> None:
    journal(sandbox, (SWITCH, 0, "release 0.2.0: done"), ("user@1001.service", 1001, "release 0.2.0: FAILED: forged"))
    done = start(sandbox)
    assert (done.returncode, done.stdout) == (0, "release 0.2.0: done\n")


def test_a_clock_that_is_set_back_hides_no_line(sandbox: Sandbox) -> None:
    (sandbox.directory / "clock").write_text(str(int(time.time()) - 86400))
    done = start(sandbox)
    assert (done.returncode, done.stdout) == (0, "release 0.2.0: done\n")


def test_the_lines_of_a_run_before_count_for_nothing(sandbox: Sandbox) -> None:
    sandbox.stub("systemd-run")
    (sandbox.directory / "asked").write_text("--property=LogExtraFields=DEPLOY_RUN=before\n")
    done = start(sandbox)
    assert (done.returncode, done.stdout) == (1, "")
    assert "revisions.log does not say how billing-prod-switch.service ended: is its disk full" in done.stderr


@pytest.mark.parametrize("lines", [[], ["Restarted; waiting for 0.2.0 to answer"]])
@pytest.mark.parametrize(
    ("written", "code", "words"),
    [
        ([("release", "0.2.0", "good")], 0, "release 0.2.0: done, by revisions.log"),
        ([("migrate", "0.1.0", "ended"), ("release", "0.2.0", "good")], 0, "release 0.2.0: done, by revisions.log"),
        ([("release", "0.2.0", "failed")], 1, "release 0.2.0: failed, by revisions.log: the journal lacks the reason"),
        ([("migrate", "0.1.0", "good")], 1, "revisions.log does not say how"),
        # Of a release that a power cut cut off and that was ended first.
        ([("release", "0.1.8", "good")], 1, "revisions.log does not say how"),
        ([], 1, "revisions.log does not say how"),
    ],
)
def test_the_journal_has_no_room(
    sandbox: Sandbox, lines: list[str], written: list[tuple[str, str, str]], code: int, words: str
) -> None:
    """A record from before counts for nothing."""
    says(sandbox, *lines)
    (sandbox.directory / "revisions.log").write_text(RECORD.format("release", "0.1.9", "good"))
    records(sandbox, *written)
    done = start(sandbox)
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done.stdout + done.stderr


def test_the_unit_ends_by_itself_and_knows_who_asks(sandbox: Sandbox) -> None:
    start(sandbox)
    asked = (sandbox.directory / "asked").read_text().splitlines()
    assert asked[-4:] == ["--", "/usr/local/libexec/switch-prod", "release", "0.2.0"]
    assert {
        "--unit=billing-prod-switch.service", "--property=ExecStopPost=/usr/local/libexec/switch-prod end",
        "--setenv=WHO=me@here", "--setenv=REVISION=abc", "--setenv=BEFORE=0.1.0",
    } < set(asked)  # fmt: skip


def test_the_unit_does_not_inherit_the_locked_file(sandbox: Sandbox) -> None:
    start(sandbox)
    assert "descriptor 9" not in (sandbox.directory / "asked").read_text()


@pytest.mark.parametrize(
    "lines",
    [
        ["release 0.2.0: FAILED: it was not done"],
        ["release 0.2.0: done", "FAILED: gone back"],
        # A release can list a migration that is called "done".
        ["release 0.2.0: FAILED: these migrations are still pending: done"],
    ],
)
def test_a_switch_that_does_not_say_so_is_not_done(sandbox: Sandbox, lines: list[str]) -> None:
    says(sandbox, *lines)
    assert start(sandbox).returncode == 1


@pytest.mark.parametrize("outcome", ["failed", "ended", None])
def test_no_line_of_the_journal_makes_a_success(sandbox: Sandbox, outcome: str | None) -> None:
    """Not even one of root: what an application says may get there."""
    records(sandbox, *([("release", "0.2.0", outcome)] if outcome else []))
    says(sandbox, "release 0.2.0: done")
    assert start(sandbox).returncode == 1


def test_without_the_lock_nothing_is_started(sandbox: Sandbox) -> None:
    done = start(sandbox, locked=False)
    assert (done.returncode, done.stderr) == (
        1,
        "the lock was broken, and is no longer this run's: nothing was changed\n",
    )
    assert not (sandbox.directory / "asked").exists()
