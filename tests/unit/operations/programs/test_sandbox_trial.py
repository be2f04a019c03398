"""The trial of a sandbox: the status and the words of a systemd that refuses it, and nothing of one that does not."""

import re
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import DeployError

from operations import sandbox as operation
from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.test_promotion import environment

# As systemd-run of Debian 13 says it; that of 12 has no name after the number.
REFUSED = """\
echo "$@" > asked
echo 'Running as unit: deploy-trial-7.service' >&2
echo 'Finished with result: exit-code' >&2
echo 'Main processes terminated with: code=exited, status=226/NAMESPACE' >&2
exit 226
"""
WORDS = """\
[ "$1" != --sync ] || exit 0
echo "deploy-trial-7.service: Failed to set up mount namespacing: /run/systemd/unit-root/proc: Permission denied"
echo "deploy-trial-7.service: Failed at step NAMESPACE spawning /bin/true: Permission denied"
"""


def tried(sandbox: Sandbox, running: bool = False) -> list[str]:
    sandbox.stub("systemctl", f"exit {0 if running else 3}")
    done = sandbox.run("sandbox_trial.sh", "billing_stage.service", "PrivateUsers=yes", "SystemCallFilter=~@a @b")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_machine_that_can_says_nothing(sandbox: Sandbox) -> None:
    sandbox.stub("systemd-run", 'printf "%s\\n" "$@" > asked; echo "Running as unit: deploy-trial-7.service" >&2')
    assert tried(sandbox) == []
    asked = (sandbox.directory / "asked").read_text().splitlines()
    assert asked[-3:] == ["--property=PrivateUsers=yes", "--property=SystemCallFilter=~@a @b", "/bin/true"]


def test_a_refusal_has_its_status_and_its_words(sandbox: Sandbox) -> None:
    sandbox.stub("systemd-run", REFUSED)
    sandbox.stub("journalctl", WORDS)
    words = "Failed to set up mount namespacing: /run/systemd/unit-root/proc: Permission denied"
    assert tried(sandbox) == ["226/NAMESPACE", words]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("code=killed, status=31/SYS", "31/SYS"),
        ("code=killed/status=SYS", "SYS"),
        ("code=dumped, status=31/SYS", "31/SYS"),
    ],
)
def test_a_filter_that_ends_every_program_is_told_apart(sandbox: Sandbox, said: str, status: str) -> None:
    sandbox.stub("systemd-run", f"echo 'Main processes terminated with: {said}' >&2; exit 255")
    sandbox.stub("journalctl")
    assert tried(sandbox) == [status]


def test_its_sentence_is_about_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    for refused, words in (["31/SYS"], "the filter of system calls"), (["226/NAMESPACE", "x"], "(226/NAMESPACE; x)"):
        answers = SimpleNamespace(get_fact=lambda *_, said=refused, **__: said)
        monkeypatch.setattr(operation, "host", answers)
        with pytest.raises(DeployError, match=re.escape(words)):
            operation.require(environment())


@pytest.mark.parametrize("said", ["Failed to start transient service unit: Access denied", ""])
def test_a_unit_that_cannot_be_made_is_a_refusal(sandbox: Sandbox, said: str) -> None:
    sandbox.stub("systemd-run", f'printf "%s" "{said}" >&2; exit 1')
    sandbox.stub("journalctl")
    assert tried(sandbox) == [said or "systemd-run failed and said nothing"]


def test_an_application_that_runs_is_no_question(sandbox: Sandbox) -> None:
    sandbox.stub("systemd-run", REFUSED)
    assert tried(sandbox, running=True) == []
    assert not (sandbox.directory / "asked").exists()


def test_what_the_kernel_must_allow_is_tried_and_no_directory_of_the_environment() -> None:
    settings = operation.settings(environment())
    assert {"PrivateUsers=yes", "ProtectSystem=strict", "ProtectProc=invisible", "PrivateTmp=yes"} < set(settings)
    assert [setting for setting in settings if "/home/billing" in setting or setting.startswith("User=")] == []
