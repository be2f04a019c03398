"""A release that loses its controller, its connection or its own process at any step ends on its own, or goes back.

And two runs at once: one goes on, the other says who is at work.
"""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.releases import Variant, build_variants, page, wait_for_page, wait_until
from tests.host.releasing import (
    CUTS,
    PYINFRA,
    Watcher,
    at_work,
    begun,
    entry_point,
    linked,
    lock_is_free,
    log,
    migrations,
    present,
    psql,
    release,
    version,
)

pytestmark = TRIXIE

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
PROD = Variant("prod", "0.1.0", migrations=1)
SLOW = Variant("stage", "0.3.0", "slow_migration")
SLOW_START = Variant("stage", "0.4.0", "slow")

UNIT = "billing_stage-switch.service"


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    return build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW, PROD, SLOW, SLOW_START])


@pytest.fixture(scope="module")
def watched(host: Host, built: dict[Variant, Path]) -> Iterator[Watcher]:
    """Both environments at 0.1.0, and a client on prod from then on."""
    host.project.edit("stage", settle_time=1)
    for variant in (PROD, OLD):
        release(host, variant.environment, built[variant]).require_success()
    with Watcher(host.machine) as watcher:
        yield watcher


@pytest.fixture
def on_old(host: Host, built: dict[Variant, Path], watched: Watcher) -> Host:
    """The machine with 0.1.0 on stage and its one migration, nothing else unpacked."""
    machine = host.machine
    if psql(machine, "stage", "SELECT 1 FROM schema_migrations WHERE version > 20260101000000"):
        psql(machine, "stage", "DELETE FROM schema_migrations WHERE version > 20260101000000")
        psql(machine, "stage", "ALTER TABLE invoices DROP COLUMN IF EXISTS paid")
    if linked(machine, "stage") != "0.1.0":
        entry_point(host, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
    machine.run("cd /home/billing/stage/releases && ls -A | grep -vx 0.1.0 | xargs -r rm -r")
    machine.run("rm -f /var/lib/billing_stage/artifacts/billing-0.[234]*")
    return host


# A step's first sign on the screen, before the program on the host has begun.
BEFORE = ["Machine: lock", "Release: upload", "Release: unpacked"]


def cut_at(host: Host, tarball: Path, sign: str, cut: str) -> None:
    """A release is cut off once a step shows on its screen."""
    with begun(host, "deploys/release.py", "stage", TARBALL=str(tarball)) as (process, output):
        wait_until(lambda: sign in output.read_text(), sign)
        CUTS[cut](host.machine, process)
        process.wait(30)
        assert process.returncode != 0


def assert_well(host: Host, expected: str) -> None:
    machine = host.machine
    wait_until(lambda: not at_work(machine, "stage"), "the program on the host ends", 40)
    assert (version(machine, "stage"), linked(machine, "stage")) == (expected, expected)
    assert page(machine, "stage", path="/health").status == 200
    wait_until(lambda: lock_is_free(host), "the lock is free")
    assert not [name for name in present(machine, "stage") if name.startswith(".")]


@pytest.mark.everything
@pytest.mark.parametrize("cut", ["connection cut", "controller killed"])
@pytest.mark.parametrize("sign", BEFORE)
def test_cut_before_anything_is_switched(on_old: Host, built: dict[Variant, Path], sign: str, cut: str) -> None:
    """And whatever the cut left behind is in nobody's way."""
    revisions = log(on_old.machine, "stage")
    cut_at(on_old, built[NEW], sign, cut)
    wait_until(lambda: lock_is_free(on_old), "the lock is free")
    if at_work(on_old.machine, "stage") or log(on_old.machine, "stage") != revisions:
        pytest.fail("the sign came too late: the program on the host had begun")
    release(on_old, "stage", built[NEW]).require_success()
    assert_well(on_old, "0.2.0")


@pytest.mark.everything
def test_remains_of_another_upload_are_removed_by_the_next(on_old: Host, built: dict[Variant, Path]) -> None:
    uploads = "~devops/.deploy-uploads"
    on_old.machine.run(
        f"install -d -o devops -m 700 {uploads} && cd {uploads} && touch billing_stage-0.tar.gz.part billing_prod-0.tar.gz"
    )
    release(on_old, "stage", built[NEW]).require_success()
    assert on_old.machine.run(f"cd {uploads} && ls -A && rm -f *").stdout == "billing_prod-0.tar.gz\n"


@pytest.mark.parametrize("cut", ["controller killed", pytest.param("connection cut", marks=pytest.mark.everything)])
@pytest.mark.parametrize("sign", [pytest.param("Migrating:", marks=pytest.mark.everything), "Restarted; waiting"])
def test_cut_while_it_is_switched(on_old: Host, built: dict[Variant, Path], sign: str, cut: str) -> None:
    """It goes on without whoever asked for it, and holds the lock until it has ended."""
    on_old.project.edit("stage", settle_time=12)
    cut_at(on_old, built[NEW], sign, cut)
    on_old.project.edit("stage", settle_time=1)
    refused = release(on_old, "stage", built[NEW])
    assert (refused.exit_code, "which ends on its own" in refused.output) == (1, True), refused.output
    assert_well(on_old, "0.2.0")
    assert log(on_old.machine, "stage")[-1] == ("release", "0.2.0", "good")


@pytest.mark.everything
def test_ctrl_c_says_that_it_goes_on(on_old: Host, built: dict[Variant, Path]) -> None:
    command = ["make", "release", "ENV=stage", f"TARBALL={built[NEW]}", "YES=1"]
    with subprocess.Popen(
        command, cwd=on_old.project.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    ) as make:  # fmt: skip
        assert make.stdout
        for line in make.stdout:
            if "Restarted; waiting" in line:
                break
        # As a terminal does: to every process of the group.
        subprocess.run(["kill", "-INT", "--", f"-{make.pid}"], check=True)
        rest = make.stdout.read()
    assert make.returncode in (2, 130, -signal.SIGINT)
    assert "what has begun on the host ends there on its own" in rest
    assert_well(on_old, "0.2.0")


@pytest.mark.everything
@pytest.mark.parametrize(
    ("variant", "sign", "how"),
    [
        (SLOW, "Migrating:", "SIGKILL"),
        (SLOW_START, "Restarted; waiting", "unlock"),
    ],
    ids=["killed in a migration", "unlocked while it starts"],
)
def test_the_program_on_the_host_is_ended(
    on_old: Host, built: dict[Variant, Path], variant: Variant, sign: str, how: str
) -> None:
    """By the kernel for want of memory, or by somebody who breaks the lock: it goes back."""
    with begun(on_old, "deploys/release.py", "stage", TARBALL=str(built[variant])) as (process, output):
        wait_until(lambda: sign in output.read_text(), sign)
        if how == "unlock":
            shown = on_old.project.make("unlock", "ENV=stage", "YES=1").require_success().output
            assert "(release of stage); it is broken" in shown
        else:
            # The first of its two migrations is done, so the second one, which takes 15 seconds, is under way.
            wait_until(lambda: len(migrations(on_old.machine, "stage")) == 2, "the slow migration")
            on_old.machine.run(f"systemctl kill --signal SIGKILL {UNIT}")
        assert process.wait(60) == 1
        said = output.read_text()
    assert "FAILED: it was ended from outside" in said
    assert_well(on_old, "0.1.0")
    assert log(on_old.machine, "stage")[-1] == ("release", variant.version, "ended")
    # The migration that was under way is gone; the one applied before it stays.
    assert migrations(on_old.machine, "stage") == ["20260101000000", "20260201000000"]
    assert on_old.machine.run("systemctl --quiet is-active billing_stage-task", check=False).returncode != 0


@pytest.mark.everything
def test_a_reboot_in_the_middle(on_old: Host, built: dict[Variant, Path], watched: Watcher) -> None:
    assert watched.complaints == []
    with begun(on_old, "deploys/release.py", "stage", TARBALL=str(built[SLOW_START])) as (_, output):
        wait_until(lambda: "Restarted; waiting" in output.read_text(), "the restart")
        on_old.machine.reboot()
    wait_for_page(on_old.machine, "stage")
    wait_for_page(on_old.machine, "prod")
    watched.complaints.clear()
    assert_well(on_old, "0.1.0")
    release(on_old, "stage", built[NEW]).require_success()
    assert_well(on_old, "0.2.0")


# --- Two at once ------------------------------------------------------------------------------------------------------


@pytest.mark.everything
def test_two_releases_of_one_machine(on_old: Host, built: dict[Variant, Path]) -> None:
    with begun(on_old, "deploys/release.py", "stage", TARBALL=str(built[NEW])) as (first, output):
        wait_until(lambda: "Release: 0.2.0 runs" in output.read_text(), "the first one has the lock")
        # Both at the same time, so that the first one still has it.
        with (
            begun(on_old, "deploys/release.py", "prod", TARBALL=str(built[PROD])) as (second, refused),
            begun(on_old, "deploys/rollback.py", "stage") as (third, refused_too),
        ):
            assert (second.wait(60), third.wait(60)) == (1, 1), refused.read_text() + refused_too.read_text()
        assert "the machine is locked by " in refused_too.read_text()
        words = refused.read_text()
        assert "the machine is locked by " in words
        assert "(release of stage). Wait for that to end, or break the lock with make unlock" in words
        assert "Traceback" not in words
        assert first.wait(60) == 0
    # Right after it, nothing is in the way.
    on_old.project.apply().require_success()


@pytest.mark.everything
@pytest.mark.parametrize(
    "left",
    ["4000000|12345", "1|1", "4000000|", ""],
    ids=["process gone", "process id taken by another one", "connection broken while it took the lock", "empty"],
)
def test_a_holder_that_is_gone_is_detected(on_old: Host, left: str) -> None:
    """Complaint: a lock that is left behind."""
    on_old.machine.run(f"echo '{left}|2026-11-25 08:00:00 UTC|somebody@elsewhere|apply' > /run/deploy.lock")
    assert lock_is_free(on_old)


@pytest.mark.everything
def test_an_apply_and_a_release(on_old: Host, built: dict[Variant, Path]) -> None:
    with begun(on_old, "deploys/release.py", "stage", TARBALL=str(built[NEW])) as (first, output):
        wait_until(lambda: "Release: 0.2.0 runs" in output.read_text(), "the release has the lock")
        applied = on_old.project.apply()
        assert (applied.exit_code, "(release of stage)" in applied.output) == (1, True), applied.output
        shown = on_old.project.run(*PYINFRA[:2], "commands.unlock", "--show")
        assert (shown.exit_code, "the lock is held by" in shown.output) == (2, True), shown.output
        assert on_old.project.planned() == {}, "a plan takes no lock"
        assert first.wait(60) == 0


def test_users_of_prod_noticed_nothing(watched: Watcher) -> None:
    assert watched.complaints == []
