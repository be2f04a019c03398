"""A release with a stand-in: no request is lost, whatever becomes of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import Host
from tests.host.load import Load, Websocket
from tests.host.releases import Variant, build_variants, main_pid, page, prop, wait_until
from tests.host.releasing import CUTS, at_work, begun, entry_point, linked, log, release, version

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")
STARTLESS = Variant("stage", "0.3.1", "start")
SICK = Variant("stage", "0.3.2", "health")
CRASHING = Variant("stage", "0.3.3", "crash")


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    return build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW, STARTLESS, SICK, CRASHING])


@pytest.fixture(scope="module")
def serving(host: Host, built: dict[Variant, Path]) -> Host:
    """stage at 0.2.0, with a stand-in for whatever comes next."""
    host.project.edit("stage", release_strategy="stand_in", drain_time=10, settle_time=3)
    host.project.apply("--limit", "stage").require_success()
    release(host, "stage", built[OLD]).require_success()
    return host


@pytest.fixture
def load(serving: Host) -> Iterator[Load]:
    """Requests to stage for as long as the test works; that none failed shows at its end, and that no stand-in is left."""
    with Load(serving.machine.address, slow=3000) as load:
        yield load
    assert load.failed == []
    assert len(load.answers) > 100
    assert load.longest < 2
    left = serving.machine.run("systemctl is-active billing_stage-standin.service; nft list tables", check=False).stdout
    assert left.splitlines()[0] == "inactive"
    assert "deploy_standin" not in left


def test_a_release(serving: Host, built: dict[Variant, Path], load: Load) -> None:
    machine = serving.machine
    before = main_pid(machine, "stage")
    with Websocket(machine.address) as websocket:
        run = release(serving, "stage", built[NEW]).require_success()
    # It ends with the unit, and with the stand-in.
    assert (websocket.opened, websocket.gap < 3) == (3, True), websocket.gap
    assert "The stand-in serves" in run.output
    assert (version(machine, "stage"), log(machine, "stage")[-1]) == ("0.2.0", ("release", "0.2.0", "good"))
    assert main_pid(machine, "stage") != before
    # In the order of their beginnings nothing goes back to the version before.
    seen = [answer.text for answer in sorted(load.answers) if answer.text.startswith("version")]
    assert seen == sorted(seen)


@pytest.mark.everything
def test_many_in_a_row(serving: Host, built: dict[Variant, Path], load: Load) -> None:
    """While requests of some seconds are in flight all the time."""
    for _ in range(4):
        release(serving, "stage", built[OLD]).require_success()
        release(serving, "stage", built[NEW]).require_success()
        entry_point(serving, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
        entry_point(serving, "deploys/restart.py", "stage").require_success()
        serving.project.set_secrets("stage", database_password=os.urandom(16).hex())
        serving.project.apply("--limit", "stage").require_success()
        assert load.failed == []
    release(serving, "stage", built[NEW]).require_success()


def test_a_rollback_and_a_restart(serving: Host, load: Load) -> None:
    entry_point(serving, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
    before = main_pid(serving.machine, "stage")
    entry_point(serving, "deploys/restart.py", "stage").require_success()
    assert main_pid(serving.machine, "stage") != before
    assert (version(serving.machine, "stage"), load.failed) == ("0.1.0", [])


@pytest.mark.parametrize(
    "bad",
    [pytest.param(STARTLESS, marks=pytest.mark.everything), SICK, pytest.param(CRASHING, marks=pytest.mark.everything)],
    ids=lambda bad: str(bad.fail),
)
def test_a_bad_version_costs_nobody_anything(
    serving: Host, built: dict[Variant, Path], load: Load, bad: Variant
) -> None:
    machine = serving.machine
    before, runs = main_pid(machine, "stage"), version(machine, "stage")
    run = release(serving, "stage", built[bad])
    assert run.exit_code == 1
    assert "No visitor met it" in run.output
    assert "The journal's last lines:" in run.output
    assert (main_pid(machine, "stage"), linked(machine, "stage")) == (before, runs)
    assert {answer.text for answer in load.answers if "version" in answer.text} == {f"version {runs}"}
    assert log(machine, "stage")[-1] == ("release", bad.version, "failed")


@pytest.mark.everything
@pytest.mark.parametrize("sign", ["Waiting for the stand-in", "The stand-in serves"])
def test_a_switch_that_is_killed_goes_back_without_a_loss(serving: Host, load: Load, sign: str) -> None:
    machine = serving.machine
    runs = version(machine, "stage")
    other = {"0.1.0": "0.2.0", "0.2.0": "0.1.0"}[runs]
    with begun(serving, "deploys/release.py", "stage", VERSION=other) as (process, output):
        wait_until(lambda: sign in output.read_text(), sign)
        machine.run("systemctl kill --signal KILL billing_stage-switch.service")
        assert process.wait(60) == 1
    assert (version(machine, "stage"), linked(machine, "stage")) == (runs, runs)
    assert log(machine, "stage")[-1] == ("release", other, "ended")
    assert load.failed == []


@pytest.mark.everything
@pytest.mark.parametrize(
    ("sign", "cut"),
    [
        ("The stand-in serves", "controller killed"),
        ("Waiting for the stand-in", "connection cut"),
        ("nginx passes requests", "connection cut"),
    ],
)
def test_it_goes_on_without_its_controller(
    serving: Host, built: dict[Variant, Path], load: Load, sign: str, cut: str
) -> None:
    machine = serving.machine
    other = next(variant for variant in (OLD, NEW) if variant.version != version(machine, "stage"))
    with begun(serving, "deploys/release.py", "stage", TARBALL=str(built[other])) as (process, output):
        wait_until(lambda: sign in output.read_text(), sign)
        CUTS[cut](machine, process)
        process.wait(30)
    wait_until(lambda: not at_work(machine, "stage"), "the program on the host ends", 40)
    assert (version(machine, "stage"), log(machine, "stage")[-1]) == (
        other.version,
        ("release", other.version, "good"),
    )
    assert load.failed == []


@pytest.mark.everything
def test_the_next_command_ends_what_was_killed_with_its_end(
    serving: Host, built: dict[Variant, Path], load: Load
) -> None:
    """Everything of it, so that nobody lets nginx in again: the stand-in serves until then."""
    machine = serving.machine
    runs = version(machine, "stage")
    other = next(variant for variant in (OLD, NEW) if variant.version != runs)
    with begun(serving, "deploys/release.py", "stage", TARBALL=str(built[other])) as (process, output):
        wait_until(lambda: "The stand-in serves" in output.read_text(), "the stand-in serves")
        # The program, and then its end, as often as systemd calls it.
        machine.run(
            "for i in $(seq 50); do systemctl kill --signal KILL billing_stage-switch.service; sleep 0.1; done",
            check=False,
        )
        process.wait(60)
    assert machine.run("systemctl is-active billing_stage-standin.service", check=False).stdout.strip() == "active"
    entry_point(serving, "deploys/restart.py", "stage").require_success()
    assert (version(machine, "stage"), log(machine, "stage")[-1]) == (runs, ("restart", runs, "good"))
    assert load.failed == []


@pytest.mark.everything
def test_a_changed_port_costs_no_request(serving: Host) -> None:
    """nginx reaches the application at both ports until it has restarted."""
    with Load(serving.machine.address, slow=3000) as load:
        change_port(serving)
    # A reload of nginx closes connections that carry no request. A browser opens another one then.
    closed = ("BrokenPipe", "ConnectionReset", "RemoteDisconnected")
    lost = [answer for answer in load.failed if not ("kept" in answer.what and answer.trouble.startswith(closed))]
    assert (lost, len(load.answers) > 100) == ([], True)


def change_port(serving: Host) -> None:
    """To another one and back, which is cut off."""
    machine, project = serving.machine, serving.project
    project.edit("stage", port=4006)
    project.apply("--limit", "stage").require_success()
    listens = machine.run("ss -Hltn '( sport = :4001 or sport = :4006 )'").stdout
    assert (":4006 " in listens, ":4001 " in listens) == (True, False)
    known = "cat /etc/nginx/sites-available/billing_stage /etc/deploy-ports.d/billing_stage.nft; nft list ruleset"
    assert "4001" not in machine.run(known).stdout
    assert project.planned("--limit", "stage") == {}
    # Cut off as soon as the stand-in serves: whoever comes next does the rest.
    project.edit("stage", port=4001)
    with begun(serving, "deploy.py", "stage") as (process, output):
        wait_until(lambda: "The stand-in serves" in output.read_text(), "the stand-in serves", 120)
        process.kill()
    wait_until(lambda: not at_work(machine, "stage"), "the program on the host ends", 40)
    assert page(machine, "stage").status == 200
    project.apply("--limit", "stage").require_success()
    assert "4006" not in machine.run(known).stdout
    assert project.planned("--limit", "stage") == {}


@pytest.mark.everything
def test_a_changed_setting_restarts_by_a_stand_in(serving: Host, load: Load) -> None:
    before = main_pid(serving.machine, "stage")
    serving.project.edit("stage", memory_limit=700)
    serving.project.apply("--limit", "stage").require_success()
    assert main_pid(serving.machine, "stage") != before
    assert prop(serving.machine, "stage", "MemoryMax") == str(700 << 20)
    slice_ = serving.machine.run("systemctl show --property MemoryMax --value system-billing_stage.slice").stdout
    assert slice_.strip() == str(700 << 20)
    assert load.failed == []
