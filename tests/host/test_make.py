"""A make target ends with 0 only after success."""

import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.terminal import CTRL_C, CTRL_D, terminal

# Nothing here depends on the release.
pytestmark = BOOKWORM

QUESTION = "Apply this to stage? [y/N]"
# make ends by the signal, or with its own 2 where its recipe's shell was the first to end.
INTERRUPTED = {-signal.SIGINT, 2}
PYINFRAS_QUESTION = "Press enter to execute..."
PYINFRA = [".venv/bin/pyinfra", "inventory.py", "deploy.py"]


@pytest.fixture(scope="module")
def changed(host: Host) -> Host:
    """A host that one setting of stage has gone ahead of; until the last test here, every one leaves it so."""
    host.project.edit("stage", request_body_limit=9, memory_limit=513)
    return host


def assert_unchanged(host: Host) -> None:
    """Neither the first nor the last of the two steps was done."""
    assert "MemoryMax=512M" in host.machine.run("cat /etc/systemd/system/billing_stage.service").stdout
    assert "client_max_body_size 8m" in host.machine.run("cat /etc/nginx/sites-available/billing_stage").stdout


@pytest.mark.parametrize("answer", ["n\n", "\n", CTRL_D], ids=["n", "enter", "end of input"])
def test_a_declined_question_is_a_failure(changed: Host, answer: str) -> None:
    with terminal(["make", "apply", "ENV=stage"], changed.project.path) as make:
        make.wait_until_asked(QUESTION)
        make.type(answer)
        run = make.finish()
    assert run.exit_code == 2
    assert "Nothing was changed." in run.output
    assert_unchanged(changed)


@pytest.mark.parametrize(
    ("target", "moment", "says"),
    [
        ("plan", "Connecting to hosts", "Interrupted while planning: nothing was changed."),
        ("plan", "Preparing operation files", "Interrupted while planning: nothing was changed."),
        ("apply", "Preparing operation files", "Interrupted while planning: nothing was changed."),
        ("apply", QUESTION, "Interrupted before the answer: nothing was changed."),
    ],
)
def test_ctrl_c_before_the_answer_changes_nothing_and_fails(changed: Host, target: str, moment: str, says: str) -> None:
    with terminal(["make", target, "ENV=stage", "VERBOSE=1"], changed.project.path) as make:
        make.wait_until_asked(moment) if moment == QUESTION else make.wait_for(moment)
        make.type(CTRL_C)
        run = make.finish()
    assert run.exit_code in INTERRUPTED
    assert says in run.output
    assert "Traceback" not in run.output
    assert_unchanged(changed)


@pytest.mark.everything
@pytest.mark.parametrize("moment", ["Connecting to hosts", "Preparing operation files", PYINFRAS_QUESTION])
def test_ctrl_c_ends_pyinfra_itself_by_the_signal(changed: Host, moment: str) -> None:
    with terminal([*PYINFRA, "--limit", "stage"], changed.project.path) as pyinfra:
        pyinfra.wait_for(moment)
        pyinfra.type(CTRL_C)
        run = pyinfra.finish()
    assert run.exit_code == -signal.SIGINT
    assert "Traceback" not in run.output
    assert_unchanged(changed)


@pytest.mark.everything
def test_pyinfra_itself_ends_with_0_when_declined(changed: Host) -> None:
    """As docs/commands.md says; make apply is for who wants to know."""
    with terminal([*PYINFRA, "--limit", "stage"], changed.project.path) as pyinfra:
        pyinfra.wait_until_asked(PYINFRAS_QUESTION)
        pyinfra.type("n\n")
        run = pyinfra.finish()
    assert run.exit_code == 0
    assert_unchanged(changed)


@pytest.mark.parametrize("yes", [None, "YES=no"])
def test_without_a_terminal_only_yes_1_goes_ahead(changed: Host, yes: str | None) -> None:
    run = changed.project.make("apply", "ENV=stage", *([yes] if yes else []))
    assert run.exit_code == 2
    assert "repeat with YES=1" in run.output
    assert_unchanged(changed)


@pytest.mark.everything
def test_a_plan_says_what_an_apply_would_change_or_that_it_is_nothing(
    changed: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With it pyinfra detects no changes, as if there were none.
    monkeypatch.setenv("PYINFRA_YES", "1")
    both = changed.project.make("plan").require_success().output
    assert re.search(r"^  Site: stage$", both, re.MULTILINE)
    assert "client_max_body_size 9m;" in both
    assert "Will test site billing_stage with nginx -t, put it in place, and reload nginx" in both
    assert "Nothing would change." in changed.project.make("plan", "ENV=prod").require_success().output


def test_a_plan_that_fails_stops_the_apply(changed: Host) -> None:
    changed.project.edit("stage", port=80)
    run = changed.project.make("apply", "ENV=stage", "YES=1")
    changed.project.edit("stage", port=4001)
    assert run.exit_code == 2
    assert run.output.count("port = 80") == 1
    assert "This would change" not in run.output
    assert_unchanged(changed)


def test_ctrl_c_while_applying_fails_and_the_next_apply_finishes(changed: Host) -> None:
    with terminal(["make", "apply", "ENV=stage", "VERBOSE=1"], changed.project.path) as make:
        make.wait_until_asked(QUESTION)
        make.type("y\n")
        make.wait_for("Group of the secret file")
        make.type(CTRL_C)
        run = make.finish()
    assert run.exit_code in INTERRUPTED
    assert run.output.count("Interrupted while applying") == 1
    assert "Run make apply ENV=stage again to finish." in run.output
    assert "Results:" not in run.output
    assert_unchanged(changed)
    changed.project.make("apply", "ENV=stage", "YES=1").require_success()
    assert changed.project.planned() == {}


@pytest.mark.everything
def test_a_signal_to_pyinfra_alone_fails_too(changed: Host) -> None:
    """As a supervisor or an operator's kill sends it; pyinfra itself exits 0."""
    changed.project.edit("stage", memory_limit=514)
    with terminal(["make", "apply", "ENV=stage", "YES=1", "VERBOSE=1"], changed.project.path) as make:
        make.wait_for("Beginning operation run")
        (process,) = pyinfra_processes(changed.project.path)
        os.kill(process, signal.SIGINT)
        run = make.finish()
    assert run.exit_code == 2
    assert "Run make apply ENV=stage again to finish." in run.output


@pytest.mark.everything
def test_a_person_sees_one_screen(changed: Host) -> None:
    """What changes, and one line at the end with what was done and what comes next."""
    changed.project.make("apply", "ENV=stage", "YES=1").require_success()
    changed.project.edit("stage", memory_limit=516)
    # Not as a part of the make that may run this test.
    with terminal(["make", "apply", "ENV=stage"], changed.project.path, MAKELEVEL="0", MAKEFLAGS="") as make:
        make.wait_until_asked(QUESTION)
        make.type("y\n")
        shown = make.finish().require_success().output
    # Without what the wheel draws and takes away again.
    lines = [line for part in shown.split("\n") if (line := part.strip("\r").rpartition("\x1b[K")[2].strip())]
    assert len(lines) <= 24, shown
    assert any("MemoryMax=516M" in line for line in lines), shown
    assert not any("No changes" in line or line.startswith("-->") for line in lines), shown
    assert lines[-1].startswith("Applied to stage: "), shown
    assert lines[-1].endswith("s. make update ENV=stage builds and releases."), shown


@pytest.mark.everything
def test_a_failure_says_its_reason_once_and_last(changed: Host) -> None:
    changed.project.edit("stage", memory_limit=517)
    changed.machine.run("chattr +i /etc/systemd/system/billing_stage.service")
    run = changed.project.make("apply", "ENV=stage", "YES=1")
    changed.machine.run("chattr -i /etc/systemd/system/billing_stage.service")
    assert run.exit_code == 2
    lines = [line for line in run.output.splitlines() if line.strip()]
    # The words of the host, and what they mean.
    assert lines[-4] == "Unit failed on stage:", run.output
    assert all("billing_stage.service" in line for line in lines[-3:-1]), run.output
    assert lines[-1].startswith("make"), run.output
    assert lines.count("Unit failed on stage:") == 1, run.output
    assert "executed 0" not in run.output
    changed.project.make("apply", "ENV=stage", "YES=1").require_success()


def pyinfra_processes(path: Path) -> list[int]:
    """Those of one project that apply."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if {b"deploy.py", b"--yes"} <= set(words) and (process / "cwd").readlink() == path:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize("tool", ["drift", "status"])
def test_ctrl_c_ends_what_asks_a_host_that_hangs(host: Host, tool: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        hanging.settimeout(60)
        address, port = hanging.getsockname()
        with (
            host.project.moved("prod", ssh_hostname=address, ssh_port=port),
            terminal([".venv/bin/python", "-m", f"commands.{tool}", "prod"], host.project.path) as command,
        ):
            hanging.accept()
            command.type(CTRL_C)
            run = command.finish()
    assert run.exit_code == -signal.SIGINT
    assert "KeyboardInterrupt" not in run.output


def test_an_interrupted_editor_leaves_the_vault_alone(host: Host) -> None:
    vault = host.project.sandbox / "vault/stage.age"
    sealed = vault.read_bytes()
    with terminal(
        ["make", "vault-edit", "ENV=stage"], host.project.path, EDITOR="sh -c 'echo editing; sleep 30'"
    ) as make:
        make.wait_for("editing")
        make.type(CTRL_C)
        run = make.finish()
    assert run.exit_code != 0
    assert "Traceback" not in run.output
    assert vault.read_bytes() == sealed
