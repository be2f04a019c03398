"""A build as a unit of systemd, its output, and the stored tarball; unpacking of sources and toolchains."""

import fcntl
import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

VERSION = "0.2.0+20260201-main-0123456"

# systemd, as far as the program needs it: it runs the program and keeps its words, and says what it was asked for.
SYSTEMD_RUN = """\
printf '%s\\n' "$@" > asked
while [ "$1" != -- ]; do shift; done
"$2" > journal
exit 0
"""
JOURNALCTL = '[ "$1" = --sync ] || cat journal'
INSTALL = 'for last; do :; done\nmkdir -p "$last"'

BUILDING = f"""\
#!/bin/sh
echo "Building {VERSION} with release"
echo tarball > builds/scratch/release.tar.gz
echo "Built {VERSION}"
"""


class Host:
    """A build host with a program that builds, an archive of sources, and a store."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.directory = sandbox.directory
        self.store = self.directory / "store"
        self.store.mkdir()
        self.archive = self.directory / "sources.tar.gz"
        pack(self.archive, "mix.exs")
        sandbox.stub("systemd-run", SYSTEMD_RUN)
        sandbox.stub("journalctl", JOURNALCTL)
        sandbox.stub("systemctl", '[ "$1" != show ] || echo inactive')
        # There is no such user, and root alone becomes another.
        sandbox.stub("setpriv", 'shift 5\nexec "$@"')
        sandbox.stub("install", INSTALL)
        sandbox.stub("getent", "exit 2")
        self.builds_with(BUILDING)

    def builds_with(self, script: str) -> None:
        path = self.directory / "build-stage"
        path.write_text(script)
        path.chmod(0o755)

    def run(self) -> subprocess.CompletedProcess[str]:
        return self.sandbox.run(
            "run_build.sh", "billing-stage-build.service", str(self.directory / "build-stage"), "billing", "secrets",
            str(self.directory / "builds"), "abc", "main", "3600", str(self.store), "billing", "Debian 13",
            "MIX_ENV=prod", "def", str(self.directory / "releases"), str(self.archive), program.text("unpack_sources.sh"),
            ".",
        )  # fmt: skip

    def asked(self) -> list[str]:
        return (self.directory / "asked").read_text().splitlines()

    def stored(self) -> list[str]:
        return sorted(path.name for path in self.store.iterdir())


@pytest.fixture
def host(sandbox: Sandbox) -> Host:
    return Host(sandbox)


def pack(archive: Path, *names: str) -> None:
    """An archive of files, each with its name as the content."""
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            path = archive.with_name("packed")
            path.write_text(name)
            tar.add(path, name)


def test_a_build_is_shown_and_stored(host: Host) -> None:
    done = host.run()
    assert (done.returncode, done.stdout) == (0, f"Building {VERSION} with release\nBuilt {VERSION}\n"), done.stderr
    tarball = f"billing-{VERSION}.tar.gz"
    assert host.stored() == [tarball, f"{tarball}.build", f"{tarball}.sha256"]
    assert (host.store / tarball).read_text() == "tarball\n"
    digest = hashlib.sha256(b"tarball\n").hexdigest()
    assert (host.store / f"{tarball}.sha256").read_text() == f"{digest}  {tarball}\n"
    *notes, built = (host.store / f"{tarball}.build").read_text().splitlines()
    assert notes == ["revision=abc", "branch=main", "distribution=Debian 13", "built_for=MIX_ENV=prod", "recipe=def"]
    assert built.startswith("built=20")
    assert {path.stat().st_mode & 0o777 for path in host.store.iterdir()} == {0o600}


def test_a_build_with_secrets_in_it_is_noted(host: Host) -> None:
    host.builds_with(
        f"{BUILDING}echo 'secrets=built in' > builds/scratch/notes\necho evil=1 >> builds/scratch/notes\n"
        f'echo "Built {VERSION}"\n'
    )
    assert host.run().returncode == 0
    assert (host.store / f"billing-{VERSION}.tar.gz.build").read_text().splitlines()[-1] == "secrets=built in"


def test_sources_are_gone_afterwards_and_nothing_else_is_left(host: Host) -> None:
    host.run()
    assert not host.archive.exists()
    assert list((host.directory / "builds" / "scratch").iterdir()) == [host.directory / "builds" / "scratch" / "source"]
    assert not list(host.directory.glob("tmp.*"))


def test_the_unit_runs_as_the_application_user_for_a_limited_time(host: Host) -> None:
    host.run()
    assert {
        "--unit=billing-stage-build.service", "--uid=billing", "--gid=billing", "--property=UMask=0077",
        "--property=RuntimeMaxSec=3600", f"--property=WorkingDirectory={host.directory}/builds/scratch/source",
        "--setenv=REVISION=abc", "--setenv=BRANCH=main", "--setenv=TAKEN=",
    } < set(host.asked())  # fmt: skip
    assert not [word for word in host.asked() if "SupplementaryGroups" in word]


def test_the_unit_gets_the_group_of_the_secret_file_where_there_is_one(host: Host) -> None:
    host.sandbox.stub("getent")
    host.run()
    assert "--property=SupplementaryGroups=secrets" in host.asked()


def test_versions_in_the_store_and_unpacked_ones_are_taken(host: Host) -> None:
    (host.store / "billing-0.1.0.tar.gz").touch()
    (host.store / "other-9.9.9.tar.gz").touch()
    (host.directory / "releases" / "0.1.1").mkdir(parents=True)
    host.run()
    assert "--setenv=TAKEN=0.1.0 0.1.1" in host.asked()


@pytest.mark.parametrize(
    "script",
    [
        "echo 'FAILED: no mix.exs'",
        ":",
        "touch release.tar.gz ../x; echo 'Built ../x'",
        f"echo 'Built {VERSION}'; echo 'and killed'",
    ],
)
def test_a_build_that_fails_stores_nothing(host: Host, script: str) -> None:
    host.builds_with(f"#!/bin/sh\n{script}\n")
    assert host.run().returncode == 1
    assert host.stored() == []
    assert not host.archive.exists()


def test_only_lines_of_the_unit_count(host: Host) -> None:
    # Every local user may write lines with the identifier.
    matches = "SYSLOG_IDENTIFIER=billing-stage-build _TRANSPORT=stdout _SYSTEMD_UNIT=billing-stage-build.service"
    host.sandbox.stub("journalctl", f'[ "$1" = --sync ] || case "$*" in *" {matches}") cat journal ;; esac')
    assert host.run().returncode == 0


def test_a_build_without_a_tarball_stores_nothing_of_its_name(host: Host) -> None:
    host.builds_with(f"#!/bin/sh\necho 'Built {VERSION}'\n")
    assert host.run().returncode == 1
    assert f"billing-{VERSION}.tar.gz" not in host.stored()


def test_a_second_build_of_an_environment_waits_for_nobody(host: Host) -> None:
    (host.directory / "builds").mkdir()
    with (host.directory / "builds" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = host.run()
    assert (done.returncode, done.stderr) == (1, "a build of this environment is at work: wait for it to end\n")
    assert not (host.directory / "asked").exists()
    assert not host.archive.exists()


def test_a_long_build_is_followed_to_its_end(host: Host) -> None:
    # The unit goes on after systemd-run: each look at the journal sees a line more.
    host.sandbox.stub("systemd-run", "echo tarball > builds/scratch/release.tar.gz\n: > journal\necho 4 > left")
    host.sandbox.stub(
        "systemctl",
        '[ "$1" = show ] || exit 0\nleft=$(($(cat left) - 1))\necho "$left" > left\n'
        'if [ "$left" = 0 ]; then echo "Built 0.2.0" >> journal; echo inactive\n'
        'else echo "line $left" >> journal; echo active; fi',
    )
    host.sandbox.stub("sleep")
    done = host.run()
    assert (done.returncode, done.stdout) == (0, "line 3\nline 2\nline 1\nBuilt 0.2.0\n")


def test_sources_replace_the_former_ones_and_dependencies_stay(sandbox: Sandbox) -> None:
    archive, source = sandbox.directory / "sources.tar.gz", sandbox.directory / "source"
    pack(archive, "mix.exs", "lib/new.ex")
    for name in ("deps/a", "_build/b", "lib/of_before.ex"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    (sandbox.directory / "release.tar.gz").touch()
    with archive.open("rb") as stdin:
        subprocess.run(
            sandbox.command("unpack_sources.sh", str(sandbox.directory), "."),
            stdin=stdin, env=sandbox.environment, check=True,
        )  # fmt: skip
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    assert files == ["_build/b", "deps/a", "lib/new.ex", "mix.exs"]
    assert not (sandbox.directory / "release.tar.gz").exists()
    assert not (sandbox.directory / "new").exists()


def test_dependencies_of_an_application_in_a_directory_stay(sandbox: Sandbox) -> None:
    archive, source = sandbox.directory / "sources.tar.gz", sandbox.directory / "source"
    pack(archive, "services/billing/mix.exs")
    for name in ("services/billing/deps/a", "services/billing/lib/of_before.ex", "deps/of_before"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    subprocess.run(
        sandbox.command("unpack_sources.sh", str(sandbox.directory), "services/billing"),
        input=archive.read_bytes(), env=sandbox.environment, check=True,
    )  # fmt: skip
    files = sorted(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())
    assert files == ["services/billing/deps/a", "services/billing/mix.exs"]


@pytest.mark.parametrize("length", [0, 20])
def test_sources_that_are_cut_off_leave_the_former_ones(sandbox: Sandbox, length: int) -> None:
    archive, source = sandbox.directory / "sources.tar.gz", sandbox.directory / "source"
    pack(archive, "mix.exs")
    source.mkdir()
    (source / "of_before").touch()
    done = subprocess.run(
        sandbox.command("unpack_sources.sh", str(sandbox.directory), "."),
        input=archive.read_bytes()[:length], env=sandbox.environment, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert [path.name for path in source.iterdir()] == ["of_before"]


def test_a_toolchain_has_its_name_when_all_of_it_is_there(sandbox: Sandbox) -> None:
    archive, place = sandbox.directory / "elixir.tar.gz", sandbox.directory / "elixir"
    pack(archive, "bin/mix")
    (sandbox.directory / "elixir.part" / "of_before").mkdir(parents=True)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-20])
    assert sandbox.run("unpack_toolchain.sh", str(archive), str(place)).returncode != 0
    assert not place.exists()
    archive.write_bytes(whole)
    assert sandbox.run("unpack_toolchain.sh", str(archive), str(place)).returncode == 0
    assert [str(path.relative_to(place)) for path in place.rglob("*")] == ["bin", "bin/mix"]


def kept_code(host: Host, boot: str | None) -> bool:
    """Whether a build finds compiled code of before, which a build of this boot left; None: one that ended."""
    compiled = host.directory / "builds" / "scratch" / "source" / "_build" / "billing.beam"
    compiled.parent.mkdir(parents=True)
    compiled.write_text("")
    if boot:
        (host.directory / "builds" / "at_work").write_text(f"{boot}\n")
    done = host.run()
    assert done.returncode == 0, done.stderr
    assert not (host.directory / "builds" / "at_work").exists()
    return compiled.exists()


def test_compiled_code_of_a_build_that_ended_stays(host: Host) -> None:
    assert kept_code(host, None)


def test_compiled_code_of_a_build_that_was_killed_stays(host: Host) -> None:
    assert kept_code(host, Path("/proc/sys/kernel/random/boot_id").read_text().strip())


@pytest.mark.parametrize("boot", ["another boot", "\0" * 37])
def test_compiled_code_of_a_build_in_which_the_machine_went_down_goes(host: Host, boot: str) -> None:
    """Its files may have lost their content, and the compiler would not notice."""
    assert not kept_code(host, boot)


def test_the_tarball_is_on_the_disk_before_it_has_its_name(host: Host) -> None:
    for name in ("sync", "mv"):
        note = f'for word; do printf "%s " "${{word##*/}}"; done | sed "s/^/{name} /" >> calls\necho >> calls'
        host.sandbox.stub(name, f'{note}\nexec /bin/{name} "$@"')
    assert host.run().returncode == 0
    calls = [line.strip() for line in (host.directory / "calls").read_text().splitlines()]
    tarball = f"billing-{VERSION}.tar.gz"
    notes = calls.index(f"sync {tarball}.build {tarball}.sha256")
    content = calls.index(f"sync {tarball}.part")
    assert max(notes, content) < calls.index(f"mv -fT {tarball}.part {tarball}")
