"""A failed step on one environment stops every environment of the run, on every machine."""

import itertools
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.host.conftest import BOOKWORM, Host, Prepared
from tests.host.project import Run
from tests.sandbox.machine import boot

# pyinfra's order of steps is the same on every release.
pytestmark = BOOKWORM


class Failure(NamedTuple):
    """Something on the host that makes one step fail.

    + step: the name of the operation
    + failing: the environment it fails for
    + damage: command on the host, as root
    + mend: undoes it
    """

    step: str
    failing: str
    damage: str
    mend: str


def _root_directory(environment: str) -> Failure:
    """A late step of each environment, on a file system that nobody may change for the time being."""
    path = f"/home/billing/{environment}"
    return Failure(
        "Root directory",
        environment,
        f"chmod 750 {path} && mount --bind {path} {path} && mount -o remount,ro,bind {path}",
        f"umount {path} && chmod 755 {path}",
    )


FAILURES = [
    # The machine's own steps run for stage, which comes first.
    Failure(
        "Machine: nginx runs",
        "stage",
        "systemctl mask --now nginx.service",
        "systemctl unmask nginx.service && systemctl start nginx.service",
    ),
    Failure(
        "Machine: PostgreSQL runs",
        "stage",
        "systemctl disable --now postgresql.service && systemctl mask postgresql.service",
        "systemctl unmask postgresql.service && systemctl enable --now postgresql.service",
    ),
    _root_directory("stage"),
    _root_directory("prod"),
    Failure("Site", "stage", "echo 'broken' > /etc/nginx/conf.d/broken.conf", "rm /etc/nginx/conf.d/broken.conf"),
]


# In `make test` too.
ALWAYS = ("Site",)


# Another number for each test, so that none depends on what the one before has left.
NUMBERS = itertools.count(100)


@pytest.fixture
def ahead(host: Host) -> Host:
    """A host that both environments' data has gone ahead of, and that lacks the table of the last step."""
    number = next(NUMBERS)
    for environment in ("stage", "prod"):
        host.project.edit(environment, request_body_limit=number)
        host.machine.run(f"nft delete table inet deploy_owner_billing_{environment}", check=False)
    return host


def has_later_steps(host: Host, environment: str) -> bool:
    """Whether the last step of the deploy was done for an environment."""
    return host.machine.run(f"nft list table inet deploy_owner_billing_{environment}", check=False).returncode == 0


def assert_stopped(run: Run, failure: Failure) -> None:
    assert run.exit_code == 1
    assert "Traceback" not in run.output
    started = [line.partition("Starting operation: ")[2] for line in run.output.splitlines()]
    last = [name for name in started if name][-1]
    assert last.startswith(failure.step)
    after = run.output.rpartition("Starting operation: ")[2]
    assert f"[{failure.failing}]" in after
    assert "Error" in after


@pytest.mark.parametrize(
    "failure",
    [pytest.param(failure, marks=[] if failure.step in ALWAYS else [pytest.mark.everything]) for failure in FAILURES],
    ids=lambda failure: f"{failure.step} of {failure.failing}",
)
def test_nothing_after_it_runs_for_any_environment(ahead: Host, failure: Failure) -> None:
    ahead.machine.run(failure.damage)
    run = ahead.project.apply()
    ahead.machine.run(failure.mend)
    assert_stopped(run, failure)
    assert not has_later_steps(ahead, "stage")
    assert not has_later_steps(ahead, "prod")
    ahead.project.apply().require_success()
    assert has_later_steps(ahead, "stage")
    assert has_later_steps(ahead, "prod")


@pytest.mark.everything
@pytest.mark.parametrize("failing", ["stage", "prod"])
def test_a_limit_keeps_the_failure_to_its_environment(ahead: Host, failing: str) -> None:
    failure = _root_directory(failing)
    other = "prod" if failing == "stage" else "stage"
    ahead.machine.run(failure.damage)
    run = ahead.project.apply("--limit", failing)
    ahead.project.apply("--limit", other).require_success()
    ahead.machine.run(failure.mend)
    assert_stopped(run, failure)
    assert not has_later_steps(ahead, failing)
    assert has_later_steps(ahead, other)


@pytest.mark.everything
def test_a_failure_on_one_machine_stops_the_others_too(prepared: Prepared, ahead: Host, tmp_path: Path) -> None:
    """FAIL_PERCENT = 0 counts all hosts of the run: which machine they live on makes no difference."""
    elsewhere = tmp_path / "elsewhere/.sandbox"
    with (
        boot("second", prepared.release, directory=elsewhere, layers=[prepared.layer]) as second,
        ahead.project.moved("prod", ssh_hostname=second.name, ssh_config_file=str(second.ssh_config)),
    ):
        failure = _root_directory("stage")
        second.run("nft delete table inet deploy_owner_billing_prod")
        ahead.machine.run(failure.damage)
        run = ahead.project.apply()
        ahead.machine.run(failure.mend)
        assert_stopped(run, failure)
        there = Host(second, ahead.project)
        assert not has_later_steps(there, "prod")
        ahead.project.apply().require_success()
        assert has_later_steps(there, "prod")
        assert has_later_steps(ahead, "stage")
        assert not has_later_steps(ahead, "prod")
        assert ahead.project.planned() == {}


@pytest.mark.everything
def test_a_machine_that_cannot_make_the_sandbox_is_refused_before_anything_changes(host: Host) -> None:
    """As in a container that forbids namespaces: systemd itself refuses, here because of a path that is not there."""
    host.machine.run("systemctl stop billing_stage")
    host.machine.run(
        "cat > /usr/local/sbin/systemd-run && chmod 755 /usr/local/sbin/systemd-run",
        stdin='#!/bin/sh\nexec /usr/bin/systemd-run --property=BindPaths=/nowhere "$@"\n',
    )
    host.project.edit("stage", memory_limit=777)
    run = host.project.apply("--limit", "stage")
    host.machine.run("rm /usr/local/sbin/systemd-run")
    host.project.edit("stage", memory_limit=None)
    text = "systemd refuses the sandbox of billing_stage.service on this machine (226"
    assert "Failed to set up mount namespacing" in run.output
    assert (run.exit_code, text in " ".join(run.output.split())) == (1, True), run.output
    assert "777M" not in host.machine.run("cat /etc/systemd/system/billing_stage.service").stdout
