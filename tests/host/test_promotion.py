"""A build that runs on stage is promoted to prod: the same tarball, and the reasons against it."""

import shutil
from pathlib import Path

import pytest

from tests.host.conftest import TRIXIE, Host, Prepared
from tests.host.project import CHECKOUT
from tests.host.releasing import linked, release, version
from tests.host.terminal import terminal
from tests.host.test_build import commit, git
from tests.sandbox.machine import boot

# It copies files and compares names, which is the same on both releases.
pytestmark = TRIXIE

STORES = {name: f"/var/lib/billing_{name}/artifacts" for name in ("stage", "prod")}


@pytest.fixture(scope="module")
def repository(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as it is: one build for all environments, and its secrets are variables."""
    path = tmp_path_factory.mktemp("repository") / "billing"
    shutil.copytree(CHECKOUT / "examples/billing", path, ignore=shutil.ignore_patterns("_build"))
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path)
    host.project.edit("all", repository=str(path), build_packages=["erlang-p1-pgsql"], settle_time=1, health_timeout=60)
    for name in STORES:
        host.project.edit(name, mix_env="prod")
    host.project.apply().require_success()
    host.project.make("update", "ENV=stage", "YES=1").require_success()
    return path


def stored(host: Host, environment: str) -> dict[str, str]:
    """The checksum of each tarball in a store."""
    lines = host.machine.run(f"cd {STORES[environment]} && sha256sum *.gz 2>/dev/null", check=False).stdout.splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


@pytest.mark.everything
def test_what_runs_on_stage_is_promoted_byte_for_byte(host: Host, repository: Path) -> None:
    running = linked(host.machine, "stage")
    run = host.project.make("promote", "FROM=stage", "ENV=prod", "YES=1").require_success()
    assert f"Will release {running} to prod, where nothing runs now" in run.output
    assert "Compiling" not in run.output
    assert stored(host, "prod") == stored(host, "stage")
    assert version(host.machine, "prod") == version(host.machine, "stage") == running
    shown = host.project.make("releases").output
    assert f"{running}  runs; prod: runs" in shown
    assert f"{running}  runs; stage: runs" in shown
    again = host.project.make("promote", "FROM=stage", "ENV=prod").require_success()
    assert "Nothing would change." in again.output


@pytest.mark.everything
def test_a_build_of_another_environment_is_not_built_again(host: Host, repository: Path) -> None:
    (repository / "new.txt").write_text("")
    revision = commit(repository)
    host.project.make("build", "ENV=stage").require_success()
    run = host.project.make("build", "ENV=prod").require_success()
    assert "Compiling" not in run.output
    assert [name for name in stored(host, "prod") if revision in name]
    assert stored(host, "prod").items() >= stored(host, "stage").items()


@pytest.mark.everything
def test_a_branch_leaves_nothing_to_the_build_that_prod_takes(host: Host, repository: Path) -> None:
    """The branch is built on stage with more than its sources, and then becomes the main branch, without that."""
    scratch = "/var/cache/billing_stage-build/scratch"
    git(repository, "checkout", "--quiet", "-b", "theirs")
    good = (repository / "mix.exs").read_text()
    plant = 'File.write!("../planted", "x"); File.mkdir_p!("_build"); File.write!("_build/planted", "x")'
    (repository / "mix.exs").write_text(f"{plant}\n{good}")
    commit(repository)
    host.project.make("build", "ENV=stage", "REF=theirs").require_success()
    (repository / "mix.exs").write_text(good)
    revision = commit(repository)
    host.project.make("build", "ENV=stage", "REF=theirs").require_success()
    assert host.machine.run(f"ls {scratch}/planted {scratch}/source/_build/planted").stdout
    git(repository, "checkout", "--quiet", "main")
    git(repository, "merge", "--quiet", "theirs")
    host.project.make("build", "ENV=stage").require_success()
    assert host.machine.run(f"find {scratch} -name planted").stdout == ""
    host.project.make("build", "ENV=prod").require_success()
    taken = {name: digest for name, digest in stored(host, "prod").items() if revision in name}
    assert ["-main-" in name for name in taken] == [True], taken
    assert taken.items() <= stored(host, "stage").items()


def link(host: Host, environment: str) -> str:
    """What the link to the running release says; empty without one."""
    return host.machine.run(f"readlink /home/billing/{environment}/billing", check=False).stdout


@pytest.mark.everything
def test_another_release_on_stage_before_the_answer_is_refused(host: Host, repository: Path) -> None:
    older, before = linked(host.machine, "stage"), link(host, "prod")
    (repository / "newer.txt").write_text("")
    commit(repository)
    host.project.make("update", "ENV=stage", "YES=1").require_success()
    newer = linked(host.machine, "stage")
    with terminal(["make", "promote", "FROM=stage", "ENV=prod"], host.project.path) as make:
        make.wait_until_asked("[y/N]")
        assert f"Promote {newer} from stage to prod?".encode() in make.shown
        host.project.make("rollback", "ENV=stage", "YES=1").require_success()
        make.type("y\n")
        run = make.finish()
    assert (run.exit_code, link(host, "prod")) == (2, before)
    assert f"the plan was made while {newer} ran in stage, and {older} runs there now" in run.output


@pytest.mark.everything
def test_what_cannot_be_promoted_is_refused_by_its_reason(host: Host, repository: Path) -> None:
    running = linked(host.machine, "stage")
    tarball = f"{STORES['stage']}/billing-{running}.tar.gz"
    host.machine.run(f"mv {tarball} {tarball}.away")
    gone = host.project.make("promote", "FROM=stage", "ENV=prod", "YES=1")
    host.machine.run(f"mv {tarball}.away {tarball}")
    assert (gone.exit_code, f"the tarball of {running} is no longer in the store of stage" in gone.output) == (2, True)
    host.project.edit("stage", mix_env="stage")
    other = host.project.make("promote", "FROM=stage", "ENV=prod", "YES=1")
    host.project.edit("stage", mix_env="prod")
    assert (other.exit_code, "stage is built with MIX_ENV=stage, and prod with MIX_ENV=prod" in other.output) == (
        2,
        True,
    )


@pytest.mark.everything
def test_a_tarball_goes_to_another_machine(host: Host, repository: Path, prepared: Prepared, tmp_path: Path) -> None:
    """Stage's machine hands it to this computer, and prod's machine gets it from there."""
    release(host, "stage").require_success()
    running = linked(host.machine, "stage")
    with (
        boot("second", prepared.release, directory=tmp_path / ".sandbox", layers=[prepared.layer]) as second,
        host.project.moved("prod", ssh_hostname=second.name, ssh_config_file=str(second.ssh_config)),
    ):
        there = Host(second, host.project)
        host.project.apply("--limit", "prod").require_success()
        run = host.project.make("promote", "FROM=stage", "ENV=prod", "YES=1").require_success()
        assert (linked(second, "prod"), version(second, "prod")) == (running, running)
        assert stored(there, "prod").items() <= stored(host, "stage").items()
        assert second.run("ls -A ~devops/.deploy-uploads").stdout == ""
    assert "is here" in run.output
    assert host.machine.run("ls -A ~devops/.deploy-uploads").stdout == ""
    here = host.project.path / f".releases/prod/billing-{running}.tar.gz"
    assert here.stat().st_mode & 0o777 == 0o600
