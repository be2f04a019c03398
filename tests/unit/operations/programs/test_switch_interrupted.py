"""switch.sh: an action that is ended from outside at any step."""

import signal
from collections.abc import Callable

import pytest

from tests.unit.operations.programs.interruption import STEPS, interrupt
from tests.unit.operations.programs.stubs import StubHost
from tests.unit.sample import sample

OLD, NEW = "20260101000000", "20260201000000"

# What systemd tells of the main process, and words of the reason.
STOPS = {
    "success": ("TERM", "it was ended from outside: somebody stopped it"),
    "signal": ("KILL", "it was ended from outside: by signal KILL"),
    "timeout": ("TERM", "it was ended from outside: it took too long"),
    "oom-kill": ("KILL", "it was ended from outside: no memory was left"),
    "watchdog": ("ABRT", "it was ended from outside: watchdog"),
}


@pytest.mark.parametrize("number", sample([signal.SIGTERM, signal.SIGKILL], signal.SIGTERM))
@pytest.mark.parametrize("step", STEPS)
def test_a_release_that_is_stopped_goes_back_and_says_nothing_of_the_version(
    host: StubHost, step: str, number: signal.Signals
) -> None:
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, step, "release", "0.2.0", number=number)
    assert host.is_busy
    words = host.end(SERVICE_RESULT="success", EXIT_STATUS="TERM").splitlines()
    assert words[-1] == "release 0.2.0: FAILED: it was ended from outside: somebody stopped it"
    assert host.current == "0.1.0"
    assert host.log == ["release 0.2.0 ended"]
    assert not host.is_busy
    # The unit of the migration ends with it.
    assert host.called("systemctl stop billing_stage-task.service") == 1


@pytest.mark.parametrize("result", STOPS)
def test_the_reason_says_how_it_was_ended(host: StubHost, result: str) -> None:
    status, words = STOPS[result]
    interrupt(host, "waiting for health", "release", "0.2.0")
    assert words in host.end(SERVICE_RESULT=result, EXIT_STATUS=status).splitlines()[-1]
    assert host.log == ["release 0.2.0 ended"]


@pytest.mark.parametrize("result", ["oom-kill", "timeout"])
def test_a_failure_for_want_of_memory_or_time_says_nothing_of_the_version(host: StubHost, result: str) -> None:
    interrupt(host, "waiting for health", "release", "0.2.0")
    with (host.state / "switching").open("a") as notes:
        notes.write("reason=line 1 of switch failed\n")
    assert "it was ended from outside" in host.end(SERVICE_RESULT=result, EXIT_STATUS="KILL").splitlines()[-1]
    assert host.log == ["release 0.2.0 ended"]


def test_statements_of_an_abandoned_migration_are_ended(host: StubHost) -> None:
    host.migrations("down", NEW)
    stub = host.bin / "runuser"
    body = 'case "$*" in *backend_start*FROM*) printf " 12@1795676081.25\\n 13@1795676082.5\\n" ;; esac\n'
    host.stub("runuser", stub.read_text().partition('calls"\n')[2] + body)
    interrupt(host, "migration", "release", "0.2.0")
    words = host.end(SERVICE_RESULT="signal", EXIT_STATUS="KILL")
    assert host.called("pg_terminate_backend") == 1
    [call] = [call for call in host.calls if "pg_terminate_backend" in call]
    assert "<> ALL (string_to_array(' 12@1795676081.25  13@1795676082.5', ' '))" in call
    assert "The database is as it was" in words
    assert host.called("restart") == 0


def test_a_release_that_went_on_is_not_restarted_for_a_stop_before_the_switch(host: StubHost) -> None:
    interrupt(host, "asking for migrations", "release", "0.2.0")
    host.end(SERVICE_RESULT="success", EXIT_STATUS="TERM")
    assert host.called("systemctl restart") == 0


@pytest.mark.parametrize("result", ["success", "signal"])
def test_a_failure_before_the_stop_counts(host: StubHost, result: str) -> None:
    interrupt(host, "waiting for health", "release", "0.2.0")
    with (host.state / "switching").open("a") as notes:
        notes.write("reason=it is broken\n")
    assert host.end(SERVICE_RESULT=result).splitlines()[-1] == "release 0.2.0: FAILED: it is broken"
    assert host.log == ["release 0.2.0 failed"]


def test_statements_of_a_database_elsewhere_are_left_alone(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(database_managed=False)
    host.migrations("down", NEW)
    interrupt(host, "migration", "release", "0.2.0")
    host.end(SERVICE_RESULT="signal", EXIT_STATUS="KILL")
    assert host.called("runuser") == 0


def test_a_migration_that_was_done_is_left_alone(host: StubHost) -> None:
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, "waiting for health", "release", "0.2.0")
    words = host.end(SERVICE_RESULT="success")
    assert host.called("pg_terminate_backend") == 0
    assert f"THE DATABASE HAS CHANGED: applied are the migrations {OLD} {NEW}; before, {OLD}." in words


def test_a_first_release_that_is_stopped_leaves_none(host: StubHost) -> None:
    host.link(None)
    interrupt(host, "settling", "release", "0.2.0")
    assert "There was no release before: stopping" in host.end(SERVICE_RESULT="success")
    assert (host.current, host.log) == (None, ["release 0.2.0 ended"])


@pytest.mark.parametrize(
    ("action", "step"),
    [
        (["restart"], "waiting for health"),
        (["migrate"], "migration"),
        (["migrate-down", OLD], "backup"),
        (["rollback", "0.1.0"], "renaming the link"),
    ],
)
def test_another_action_that_is_stopped_leaves_the_release_that_ran(
    host: StubHost, action: list[str], step: str
) -> None:
    host.link("0.2.0")
    host.migrations("up", OLD)
    host.migrations("down", NEW)
    interrupt(host, step, *action)
    host.end(SERVICE_RESULT="success")
    version = "0.1.0" if action[0] == "rollback" else "0.2.0"
    assert (host.current, host.log, host.is_busy) == ("0.2.0", [f"{action[0]} {version} ended"], False)


def test_a_stopped_rollback_leaves_the_release_that_ran(host: StubHost) -> None:
    host.link("0.2.0")
    interrupt(host, "waiting for health", "rollback", "0.1.0")
    host.end(SERVICE_RESULT="success", EXIT_STATUS="TERM")
    assert host.current == "0.2.0"
    assert host.log == ["rollback 0.1.0 ended"]


@pytest.mark.parametrize("result", ["signal", ""])
def test_a_backup_cut_short_does_not_stay(host: StubHost, result: str) -> None:
    host.migrations("down", NEW)
    interrupt(host, "backup", "release", "0.2.0")
    assert [name.endswith(".dump.part") for name in host.backups] == [True]
    host.end(SERVICE_RESULT=result)
    assert host.backups == []
