"""Stand-ins of bad versions and variables, whatever brings them into service, and of applications with habits."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.load import Load
from tests.host.releases import Variant, build_variants, main_pid
from tests.host.releasing import Changed, entry_point, linked, release, version

pytestmark = [TRIXIE, pytest.mark.everything]

GOOD = Variant("stage", "0.1.0", migrations=1)
# Words of examples/billing/lib/billing/mishap.ex.
WORDS = ["start", "crash", "health", "hang", "database"]
BAD = {word: Variant("stage", f"0.3.{place}", word) for place, word in enumerate(WORDS)}
WRONG = Variant("stage", "0.3.8")


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    directory = tmp_path_factory.mktemp("variants")
    tarballs = build_variants(release, directory, [GOOD, *BAD.values(), WRONG])
    tarballs[WRONG] = Changed(tarballs[WRONG], directory / "wrong.tar.gz").by(boots_as_another_version)
    return tarballs


def boots_as_another_version(tree: Path) -> None:
    """Its boot script says 0.3.9."""
    path = tree / "releases" / WRONG.version / "start.boot"
    path.write_bytes(path.read_bytes().replace(b"0.3.8", b"0.3.9", 1))


@pytest.fixture(scope="module")
def serving(host: Host, built: dict[Variant, Path]) -> Host:
    """stage at 0.1.0, with a stand-in for whatever comes next."""
    host.project.edit("stage", release_strategy="stand_in", drain_time=10, health_timeout=15)
    host.project.apply("--limit", "stage").require_success()
    release(host, "stage", built[GOOD]).require_success()
    return host


@contextlib.contextmanager
def nobody_meets(host: Host) -> Iterator[None]:
    """No request fails, and the application goes on as it is."""
    machine = host.machine
    before = main_pid(machine, "stage")
    with Load(machine.address, slow=3000) as load:
        yield
    assert load.failed == []
    assert {answer.text for answer in load.answers if "version" in answer.text} == {"version 0.1.0"}
    assert (main_pid(machine, "stage"), linked(machine, "stage")) == (before, "0.1.0")
    left = machine.run("systemctl is-active billing_stage-standin.service; nft list tables", check=False).stdout
    assert (left.splitlines()[0], "deploy_standin" in left) == ("inactive", False)


@pytest.mark.parametrize("variant", [*BAD.values(), WRONG], ids=lambda variant: variant.fail or "version")
def test_nobody_meets_a_bad_version(serving: Host, built: dict[Variant, Path], variant: Variant) -> None:
    with nobody_meets(serving):
        run = release(serving, "stage", built[variant])
        assert (run.exit_code, "No visitor met it" in run.output) == (1, True), run.output
        run = entry_point(serving, "deploys/rollback.py", "stage", VERSION=variant.version)
        assert (run.exit_code, "No visitor met it" in run.output) == (1, True), run.output


@pytest.mark.parametrize("word", WORDS)
def test_nobody_meets_bad_variables(serving: Host, word: str) -> None:
    """An apply finds the restart due, and so does `make restart`."""
    project = serving.project
    with nobody_meets(serving):
        project.edit("stage", unit_environment={"MISHAP": word})
        for run in (project.apply("--limit", "stage"), entry_point(serving, "deploys/restart.py", "stage")):
            assert (run.exit_code, "No visitor met it" in run.output) == (1, True), run.output
    with Load(serving.machine.address) as load:
        project.edit("stage", unit_environment=None)
        project.apply("--limit", "stage").require_success()
    assert load.failed == []


# By a word of examples/billing/lib/billing/mishap.ex: seconds that its start may take.
HABITS = {"sigterm": 15, "child": 15, "pid_file": 15, "twice": 15, "late": 30, "late_health": 30, "minute": 120}


@pytest.mark.parametrize("word", HABITS)
def test_an_application_keeps_its_habits(serving: Host, word: str) -> None:
    """An apply brings it into service, a restart follows, and it goes again."""
    machine, project = serving.machine, serving.project
    with Load(machine.address) as load:
        project.edit("stage", unit_environment={"MISHAP": word}, health_timeout=HABITS[word])
        project.apply("--limit", "stage").require_success()
        entry_point(serving, "deploys/restart.py", "stage").require_success()
        project.edit("stage", unit_environment=None, health_timeout=15)
        project.apply("--limit", "stage").require_success()
    assert load.failed == []
    assert version(machine, "stage") == "0.1.0"
    left = machine.run("cat /sys/fs/cgroup/system.slice/*/billing_stage-standin.service/cgroup.procs", check=False)
    assert left.stdout == ""


def test_a_second_port_is_named_and_a_variable_of_the_stand_in_helps(serving: Host) -> None:
    """Such as one for metrics. The first stand-in can have it: the application has none yet."""
    machine, project = serving.machine, serving.project
    with Load(machine.address) as load:
        project.edit("stage", unit_environment={"MISHAP": "second_port"}, stand_in_environment={"METRICS_PORT": "9569"})
        project.apply("--limit", "stage").require_success()
        entry_point(serving, "deploys/restart.py", "stage").require_success()
        project.edit("stage", stand_in_environment=None)
        project.apply("--limit", "stage").require_success()
        before = main_pid(machine, "stage")
        run = entry_point(serving, "deploys/restart.py", "stage")
        assert run.exit_code == 1
        assert "the application listens at 9568, too, and its stand-in runs beside it" in run.output
        assert main_pid(machine, "stage") == before
        project.edit("stage", unit_environment=None)
        project.apply("--limit", "stage").require_success()
    assert load.failed == []
