"""A plan is carried out as shown, or refused, if somebody builds or releases before the answer."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import Run
from tests.host.releases import Variant, build_variants, seed_application, wait_until
from tests.host.releasing import entry_point, linked, log, release
from tests.host.terminal import Terminal, terminal
from tests.host.test_build import commit, git

# Nothing here depends on the release.
pytestmark = BOOKWORM

OLD, NEW, NEWER, OTHER = (Variant("stage", f"0.{minor}.0", migrations=1) for minor in (1, 2, 3, 4))
STORE = "/var/lib/billing_stage/artifacts"


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    return build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW, NEWER, OTHER])


@pytest.fixture(scope="module")
def releasing(host: Host) -> Host:
    """The machine, on which a release takes as little time as it can."""
    host.project.edit("stage", settle_time=1)
    return host


@contextmanager
def asked(host: Host, target: str, *arguments: str) -> Iterator[Terminal]:
    """A target that has shown its plan and waits for the answer."""
    with terminal(["make", target, "ENV=stage", *arguments], host.project.path) as make:
        make.wait_until_asked("[y/N]")
        yield make


def answered(make: Terminal) -> Run:
    make.type("y\n")
    return make.finish()


def store(host: Host, variant: Variant, tarball: Path) -> None:
    """A tarball is the newest of the store, as if somebody had just built it."""
    place = f"{STORE}/billing-{variant.version}.tar.gz"
    shutil.copyfile(tarball, f"/proc/{host.machine.pid}/root{place}")
    host.machine.run(f"touch {place} && cd {STORE} && sha256sum {place} > {place}.sha256")


@pytest.mark.everything
def test_a_build_before_the_answer_is_not_released(releasing: Host, built: dict[Variant, Path]) -> None:
    release(releasing, "stage", built[OLD]).require_success()
    store(releasing, NEW, built[NEW])
    with asked(releasing, "release") as make:
        assert b"Will release 0.2.0" in make.shown
        store(releasing, NEWER, built[NEWER])
        run = answered(make)
    assert run.exit_code == 0, run.output
    assert linked(releasing.machine, "stage") == "0.2.0"


@pytest.mark.everything
def test_a_build_of_the_same_name_is_refused(releasing: Host, built: dict[Variant, Path]) -> None:
    with asked(releasing, "release") as make:
        assert b"Will release 0.3.0" in make.shown
        store(releasing, NEWER, built[OTHER])
        run = answered(make)
    assert (run.exit_code, linked(releasing.machine, "stage")) == (2, "0.2.0")
    assert "the plan was made for 0.3.0" in run.output
    store(releasing, NEWER, built[NEWER])


@pytest.mark.parametrize(
    "target",
    [
        "release",
        *(
            pytest.param(name, marks=pytest.mark.everything)
            for name in ("rollback", "migrate-down VERSION=20260101000000")
        ),
    ],
)
def test_a_release_before_the_answer_is_noticed(releasing: Host, built: dict[Variant, Path], target: str) -> None:
    """Whatever was planned is about another release than the one that runs."""
    release(releasing, "stage", built[OLD]).require_success()
    release(releasing, "stage", built[NEW]).require_success()
    store(releasing, NEWER, built[NEWER])
    before = log(releasing.machine, "stage")
    name, *arguments = target.split()
    with asked(releasing, name, *arguments) as make:
        release(releasing, "stage", built[OTHER]).require_success()
        run = answered(make)
    assert (run.exit_code, linked(releasing.machine, "stage")) == (2, "0.4.0")
    assert "the plan was made while 0.2.0 ran, and 0.4.0 runs now: somebody released meanwhile" in run.output
    assert log(releasing.machine, "stage") == [*before, ("release", "0.4.0", "good")]


@pytest.mark.everything
def test_pyinfra_as_typed_chooses_anew(releasing: Host, built: dict[Variant, Path]) -> None:
    store(releasing, NEWER, built[NEWER])
    entry_point(releasing, "deploys/release.py", "stage").require_success()
    assert linked(releasing.machine, "stage") == "0.3.0"


@pytest.mark.everything
def test_an_update_releases_what_it_built(
    releasing: Host, built: dict[Variant, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("repository") / "billing"
    seed_application(path)
    git(path, "init", "--quiet", "--initial-branch=main")
    revision = commit(path)
    releasing.project.edit("all", repository=str(path), build_packages=["erlang-p1-pgsql"])
    with terminal(["make", "update", "ENV=stage"], releasing.project.path) as make:
        make.wait_for("Built 0.1.0+")
        wait_until(lambda: f"main-{revision}.tar.gz\n" in releasing.machine.run(f"ls {STORE}").stdout, "it is stored")
        store(releasing, OTHER, built[OTHER])
        make.wait_until_asked("[y/N]")
        assert releasing.machine.run(f"ls -t {STORE}").stdout.startswith("billing-0.4.0")
        run = answered(make)
    assert run.exit_code == 0, run.output
    assert linked(releasing.machine, "stage").endswith(f"main-{revision}")
