"""What the host itself sees of a release: where its processes listen, which revision it is, and how it crashed."""

import shutil
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import Variant, build_variants, main_pid, prop, wait_for_page, wait_until
from tests.host.releasing import Changed, linked, release

# Each outcome of the switch is a case in tests/unit/operations/programs/; here it meets the kernel and a real VM.
pytestmark = BOOKWORM

GOOD, OPEN = (Variant("stage", f"0.{minor}.0", migrations=0) for minor in (1, 2))
REVISION = "6bfed7e0d1c2b3a495867788990011223344aabb"

# A process beside the VM that every interface reaches. The release's commands read the file, too: there the port is taken.
LISTENER = (
    "perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => 9568) or exit; sleep 600' &\n"
)


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """Tarballs of a good release, whose revision is known, and of one that listens on an open port."""
    directory = tmp_path_factory.mktemp("variants")
    tarballs = build_variants(release, directory, [GOOD, OPEN])
    good = tarballs[GOOD]
    good.with_name(f"{good.name}.build").write_text(f"revision={REVISION}\n")

    def listen(tree: Path) -> None:
        with (tree / f"releases/{OPEN.version}/env.sh").open("a") as script:
            script.write(LISTENER)

    listening = Changed(tarballs[OPEN], directory / "listening.tar.gz").by(listen)
    shutil.move(listening, tarballs[OPEN])
    return tarballs


@pytest.fixture(scope="module")
def host(host: Host, built: dict[Variant, Path]) -> Host:
    """The machine, with the good release on stage."""
    release(host, "stage", built[GOOD]).require_success()
    return host


@pytest.mark.everything
def test_the_process_has_the_revision_of_its_release(host: Host) -> None:
    pid = main_pid(host.machine, "stage")
    variables = host.machine.run(f"tr '\\0' '\\n' < /proc/{pid}/environ").stdout.splitlines()
    assert {f"APP_REVISION={REVISION}", f"RELEASE_REVISION={REVISION}"} <= set(variables)


@pytest.mark.everything
def test_a_release_that_the_network_reaches_is_gone_back_from(host: Host, built: dict[Variant, Path]) -> None:
    run = release(host, "stage", built[OPEN])
    assert run.exit_code == 1
    assert "the network reaches the application past nginx, its TLS and its access rules, on 0.0.0.0:9568" in run.output
    assert "name port 9568 in open_ports" in run.output
    assert linked(host.machine, "stage") == GOOD.version
    host.project.edit("stage", open_ports=[9568])
    release(host, "stage", built[OPEN]).require_success()
    host.project.edit("stage", open_ports=None)
    release(host, "stage", VERSION=GOOD.version).require_success()


@pytest.mark.everything
def test_a_release_into_an_environment_that_is_not_applied_is_refused(host: Host, built: dict[Variant, Path]) -> None:
    host.project.edit("stage", memory_limit=600)
    run = release(host, "stage", built[OPEN])
    host.project.edit("stage", memory_limit=512)
    assert run.exit_code == 1
    assert "a release would start with /etc/systemd/system/billing_stage.service of before" in run.output
    assert "First `make apply ENV=stage`" in run.output
    host.machine.run("nft delete table inet deploy_ports")
    run = release(host, "stage", built[OPEN])
    host.machine.run("systemctl restart deploy-ports")
    assert (run.exit_code, "the machine does not keep port 4001 to itself" in run.output) == (1, True), run.output


@pytest.mark.everything
def test_a_crash_leaves_a_dump_that_doctor_names(host: Host) -> None:
    machine = host.machine
    before = str(main_pid(machine, "stage"))
    machine.run("systemctl kill --kill-whom=main --signal USR1 billing_stage")
    wait_until(lambda: prop(machine, "stage", "MainPID") not in (before, "0"), "systemd starts it again")
    wait_for_page(machine, "stage")
    dumps = machine.run("ls /home/billing/stage/private").stdout.split()
    assert [name for name in dumps if name.startswith("erl_crash")] == ["erl_crash.dump.last"]
    told = host.project.make("doctor", "ENV=stage").output
    assert "the Erlang VM crashed at" in told
    assert "/home/billing/stage/private/erl_crash.dump.last" in told
