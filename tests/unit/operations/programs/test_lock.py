"""The machine's lock: one run holds it as long as its connection lasts."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox, wait_for


@pytest.fixture(autouse=True)
def systemd(sandbox: Sandbox) -> None:
    """No release is being switched."""
    sandbox.stub("systemctl")


def take(sandbox: Sandbox, what: str = "apply") -> list[str]:
    return sandbox.command("take_lock.sh", "me@here", what)


def held_by(sandbox: Sandbox, process: int) -> None:
    """Another connection holds the lock, or its file names one."""
    started = Path(f"/proc/{process}/stat").read_text().split(" ")[21]
    (sandbox.directory / "lock").write_text(f"{process}|{started}|2026-01-01 00:00:00 UTC|you@there|release\n")


def test_a_free_lock_is_taken_and_taken_again(sandbox: Sandbox) -> None:
    done = sandbox.over_ssh(take(sandbox), take(sandbox, "release"), sandbox.command("show_lock.sh"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("me@here since 20")
    assert done.stdout.endswith(" UTC (release)\n")


def test_the_end_of_the_connection_frees_it(sandbox: Sandbox) -> None:
    assert sandbox.over_ssh(take(sandbox)).returncode == 0
    assert sandbox.over_ssh(sandbox.command("show_lock.sh")).stdout == "\n"
    assert sandbox.over_ssh(take(sandbox)).returncode == 0


def test_another_run_is_told_who_holds_it(sandbox: Sandbox) -> None:
    held_by(sandbox, os.getpid())
    done = sandbox.over_ssh(take(sandbox))
    assert (done.returncode, done.stdout) == (1, "you@there since 2026-01-01 00:00:00 UTC (release)\n")


def test_a_process_of_the_same_number_does_not_hold_it(sandbox: Sandbox) -> None:
    (sandbox.directory / "lock").write_text(f"{os.getpid()}|1|2026-01-01 00:00:00 UTC|you@there|release\n")
    assert sandbox.over_ssh(take(sandbox)).returncode == 0


def test_a_switch_holds_it_without_a_connection(sandbox: Sandbox) -> None:
    (sandbox.directory / "lock").write_text("1|1|2026-01-01 00:00:00 UTC|you@there|release\n")
    sandbox.stub("systemctl", "echo 'billing-prod-switch.service loaded active running Switch'")
    done = sandbox.over_ssh(take(sandbox))
    assert (done.returncode, done.stdout) == (
        1,
        "billing-prod-switch.service, which you@there began at 2026-01-01 00:00:00 UTC (release) "
        "and which ends on its own\n",
    )


@pytest.mark.parametrize("left", ["", "\n", "nonsense", "|||", "1|"])
def test_a_broken_file_holds_nothing(sandbox: Sandbox, left: str) -> None:
    (sandbox.directory / "lock").write_text(left)
    assert sandbox.over_ssh(take(sandbox)).returncode == 0


HOLDER = "you@there since 2026-01-01 00:00:00 UTC (release)"
UNIT = "billing-prod-switch.service"


def test_the_lock_of_the_holder_that_was_shown_is_broken(sandbox: Sandbox) -> None:
    held_by(sandbox, os.getpid())
    sandbox.stub("systemctl", 'echo "$*" >> asked')
    done = sandbox.run("break_lock.sh", HOLDER, UNIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "stop" not in (sandbox.directory / "asked").read_text()
    assert sandbox.over_ssh(take(sandbox)).returncode == 0


def test_a_switch_that_holds_the_lock_is_stopped(sandbox: Sandbox) -> None:
    (sandbox.directory / "lock").write_text("1|1|2026-01-01 00:00:00 UTC|you@there|release\n")
    listed = f"{UNIT} loaded active running Switch\nother-switch.service loaded active running Switch"
    sandbox.stub("systemctl", f'[ "$1" != list-units ] || echo "{listed}"\necho "$*" >> asked')
    holder = sandbox.run("show_lock.sh").stdout.strip()
    assert holder.startswith(f"{UNIT}, which you@there began at ")
    done = sandbox.run("break_lock.sh", holder, "billing-stage-switch.service", UNIT)
    assert (done.returncode, done.stderr) == (0, "")
    assert (sandbox.directory / "asked").read_text().splitlines()[-1] == f"stop {UNIT}"


@pytest.mark.parametrize("free", [False, True], ids=["held by somebody else", "free"])
def test_a_lock_that_changed_hands_is_not_broken(sandbox: Sandbox, *, free: bool) -> None:
    if not free:
        held_by(sandbox, os.getpid())
    sandbox.stub("systemctl", 'echo "$*" >> asked')
    done = sandbox.run("break_lock.sh", HOLDER.replace("you@", "me@"), UNIT)
    now = "nobody" if free else HOLDER
    assert (done.returncode, done.stderr) == (
        1,
        f"the lock changed hands meanwhile: it is held by {now} now, and nothing was changed\n",
    )
    assert "stop" not in (sandbox.directory / "asked").read_text()
    assert free or sandbox.over_ssh(take(sandbox)).returncode == 1


# $0: own name, $1: the program, $2: name of the other. A connection stays until both have asked.
BOTH_ASK = 'sh -c "$1" take me apply; echo $? > "$0"; until [ -e "$2" ]; do sleep 0.02; done'


@pytest.mark.parametrize("attempt", range(5))
def test_one_of_two_simultaneous_runs_gets_the_lock(sandbox: Sandbox, attempt: int) -> None:
    sshd = sandbox.directory / "sshd"
    sshd.symlink_to("/bin/sh")
    runs = [
        subprocess.Popen(
            [sshd, "-c", BOTH_ASK, own, take(sandbox)[2], other],
            cwd=sandbox.directory,
            env=os.environ | sandbox.environment,
            stdout=subprocess.DEVNULL,
        )
        for own, other in ("ab", "ba")
    ]
    assert [run.wait(30) for run in runs] == [0, 0]
    assert sorted((sandbox.directory / name).read_text() for name in "ab") == ["0\n", "1\n"]


# Runs a command as an orphan: the tests themselves may have been started over SSH.
ORPHAN = """\
{
    while kill -0 $$; do sleep 0.02; done
    "$@" > output 2>&1
    echo $? > status.part
    mv status.part status
} < /dev/null > /dev/null 2>&1 &
"""


def test_without_ssh_nothing_can_hold_it(sandbox: Sandbox) -> None:
    sandbox.execute(["sh", "-c", ORPHAN, "sh", *take(sandbox)])
    wait_for(sandbox.directory / "status")
    assert (sandbox.directory / "output").read_text() == (
        "this command did not come over SSH, so nothing could hold the lock\n"
    )
    assert (sandbox.directory / "status").read_text() == "1\n"
