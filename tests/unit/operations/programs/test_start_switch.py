"""Starting a switch: under the lock alone, followed to its end, and judged by the switch's own last word."""

import subprocess

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

SYSTEMD_RUN = """\
printf '%s\\n' "$@" > asked
[ ! -e "/proc/$$/fd/9" ] || echo 'descriptor 9 is open' >> asked
"""


@pytest.fixture(autouse=True)
def systemd(sandbox: Sandbox) -> None:
    """A unit that has ended by the time it is looked at."""
    sandbox.stub("systemd-run", SYSTEMD_RUN)
    sandbox.stub("systemctl", '[ "$1" != show ] || echo inactive')
    says(sandbox, "release 0.2.0: done")


def says(sandbox: Sandbox, *lines: str) -> None:
    """What the journal holds of the switch."""
    (sandbox.directory / "journal").write_text("".join(f"{line}\n" for line in lines))
    sandbox.stub("journalctl", '[ "$1" = --sync ] || cat journal')


def start(sandbox: Sandbox, *, locked: bool = True) -> subprocess.CompletedProcess[str]:
    switch = sandbox.command(
        "start_switch.sh", "billing-prod-switch.service", "/usr/local/libexec/switch-prod", "me@here", "abc", "0.1.0",
        "release", "0.2.0",
    )  # fmt: skip
    return sandbox.over_ssh(*[sandbox.command("take_lock.sh", "me@here", "release")] * locked, switch)


def test_the_switch_is_shown_and_done(sandbox: Sandbox) -> None:
    says(sandbox, "switching", "release 0.2.0: done")
    done = start(sandbox)
    assert (done.returncode, done.stdout, done.stderr) == (0, "switching\nrelease 0.2.0: done\n", "")


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
    "lines", [["release 0.2.0: FAILED: it was not done"], ["release 0.2.0: done", "FAILED: gone back"], []]
)
def test_a_switch_that_does_not_say_so_is_not_done(sandbox: Sandbox, lines: list[str]) -> None:
    says(sandbox, *lines)
    assert start(sandbox).returncode == 1


def test_without_the_lock_nothing_is_started(sandbox: Sandbox) -> None:
    done = start(sandbox, locked=False)
    assert (done.returncode, done.stderr) == (
        1,
        "the lock was broken, and is no longer this run's: nothing was changed\n",
    )
    assert not (sandbox.directory / "asked").exists()
