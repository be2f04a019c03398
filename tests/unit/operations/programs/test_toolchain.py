"""Erlang and Elixir that a host builds, from small archives: `make install` writes programs of one line."""

import fcntl
import hashlib
import io
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

KEY = "0123456789abcdef" * 4
NAME = f"deploy-toolchain-{KEY[:12]}"

# systemd, as far as the program needs it. `systemctl is-failed` succeeds for a failed unit.
SYSTEMD_RUN = """\
echo started >> starts
while [ "$1" != -- ]; do
    case $1 in --setenv=PATH=*) ;; --setenv=*) export "${1#--setenv=}" ;; esac
    shift
done
shift
rm -f failed
mkdir -p cache/private/NAME && cd cache/private/NAME
"$@" > "$OLDPWD/journal" 2>&1 || touch "$OLDPWD/failed"
exit 0
""".replace("NAME", NAME)
SYSTEMCTL = """\
case $1 in
show) case $3 in Result) cat result 2> /dev/null || echo exit-code ;; *) echo inactive ;; esac ;;
is-active) exit 3 ;;
is-failed) [ -f failed ] ;;
reset-failed) rm -f failed ;;
esac
"""
CURL = """\
while [ $# -gt 1 ]; do
    [ "$1" != --output ] || output=$2
    shift
done
cat "SERVED/${1##*/}" > "${output:-/dev/stdout}"
"""

CONFIGURE = """\
#!/bin/sh
echo "configured with $*" >&2
prefix=${1#--prefix=}
cat > Makefile <<END
all:
	test -z "$BROKEN"
	mkdir bin
	printf '#!/bin/sh\\necho 27\\n' > bin/erl
	chmod 755 bin/erl
install:
	mkdir -p \\$(DESTDIR)$prefix/bin
	cp bin/erl \\$(DESTDIR)$prefix/bin/
	chmod 6777 \\$(DESTDIR)$prefix/bin/erl
END
"""

# It says its version if it finds an Erlang that it knows.
ELIXIR = '#!/bin/sh\n[ "$(erl)" = 27 ] || { echo "Erlang is too old"; exit 1; }\necho 1.18.4\n'
MAKEFILE = (
    "compile:\n\tmkdir -p lib/elixir/ebin lib/mix/ebin\n\ttouch lib/elixir/ebin/elixir.app lib/mix/ebin/mix.app\n"
)


def archive(path: Path, files: dict[str, str]) -> str:
    """A .tar.gz whose programs may be run. Returns its checksum."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content.encode()), 0o755
            tar.addfile(entry, io.BytesIO(content.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Host:
    """A build host, and a server with the archives of Erlang and Elixir."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.served = sandbox.directory / "served"
        self.served.mkdir()
        self.toolchains = sandbox.directory / "toolchains"
        self.destination = self.toolchains / KEY
        self.scratch = sandbox.directory / "cache/private" / NAME
        sandbox.places["/var/cache"] = sandbox.directory / "cache"
        for name, script in {
            "systemd-run": SYSTEMD_RUN,
            "systemctl": SYSTEMCTL,
            "journalctl": '[ "$1" = --sync ] || cat journal',
            "curl": CURL.replace("SERVED", str(self.served)),
            # Only root gives files away.
            "install": 'for last; do :; done\nmkdir -p "$last"',
        }.items():
            sandbox.stub(name, script)
        self.variables = {
            "ERLANG_VERSION": "27.3.4",
            "ERLANG_URL": "https://example.com/otp_src_27.3.4.tar.gz",
            "ERLANG_SHA256": archive(
                self.served / "otp_src_27.3.4.tar.gz",
                {"otp_src_27.3.4/OTP_VERSION": "27.3.4\n", "otp_src_27.3.4/configure": CONFIGURE},
            ),
            "ERLANG_OPTIONS": "--without-wx --without-odbc",
            "ELIXIR_VERSION": "1.18.4",
            "ELIXIR_URL": "https://example.com/v1.18.4.tar.gz",
        }
        self.serve_elixir({"Makefile": MAKEFILE})

    def serve_elixir(self, files: dict[str, str], elixir: str = ELIXIR, version: str = "1.18.4") -> None:
        programs = {f"bin/{name}": elixir for name in ("elixir", "elixirc", "iex", "mix")}
        everything = {**programs, "VERSION": f"{version}\n", **files}
        files = {f"elixir-{version}/{name}": content for name, content in everything.items()}
        self.variables["ELIXIR_SHA256"] = archive(self.served / "v1.18.4.tar.gz", files)

    def command(self, distribution: str = "Debian 12") -> list[str]:
        words = [f"{name}={value}" for name, value in self.variables.items()]
        building = program.text("build_toolchain.sh")
        return self.sandbox.command("run_toolchain.sh", str(self.destination), distribution, building, "60", *words)

    def run(self, distribution: str = "Debian 12", **variables: str) -> subprocess.CompletedProcess[str]:
        return self.sandbox.execute(self.command(distribution), **variables)

    def starts(self) -> int:
        return len((self.sandbox.directory / "starts").read_text().splitlines())


@pytest.fixture
def host(sandbox: Sandbox) -> Host:
    return Host(sandbox)


def refused(host: Host, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """Nothing is there that a later build would take."""
    assert (done.returncode, reason in done.stdout) == (1, True), done.stdout + done.stderr
    assert not host.destination.exists()
    assert not host.scratch.exists()


def test_erlang_and_elixir_are_built_once(host: Host) -> None:
    done = host.run()
    assert done.returncode == 0, done.stdout + done.stderr
    # Erlang's programs must be in the directory whose path is written in them.
    assert host.sandbox.execute([str(host.destination / "bin/erl")]).stdout == "27\n"
    assert (host.destination / "bin/mix").resolve() == host.destination / "lib/elixir/bin/mix"
    assert (host.destination / "lib/elixir/lib/mix/ebin/mix.app").exists()
    assert (host.destination / "distribution").read_text() == "Debian 12\n"
    # Nothing of the unit's user stays, also no mode that gives rights away.
    assert (host.destination / "bin/erl").stat().st_mode & 0o7777 == 0o755
    assert not host.scratch.exists()
    for step in (
        "[ 0:0",
        "Erlang 27.3.4: compile",
        "Elixir 1.18.4: compile",
        f"the toolchain is in {host.destination}",
    ):
        assert step in done.stdout
    again = host.run()
    assert (again.returncode, again.stdout, host.starts()) == (0, "the toolchain is there\n", 1)


def test_no_user_of_the_machine_can_hold_the_lock(host: Host) -> None:
    """flock(2) asks for no more than reading. Until now everybody could read it."""
    lock = host.toolchains / ".lock"
    unpack = host.sandbox.command("unpack_toolchain.sh", "none", str(host.destination))
    host.toolchains.mkdir(exist_ok=True)
    for command in (host.command("Debian 12"), unpack):
        lock.touch()
        lock.chmod(0o644)
        host.sandbox.execute(command)
        assert lock.stat().st_mode & 0o777 == 0o600


def test_after_an_upgrade_of_the_distribution_it_is_built_again(host: Host) -> None:
    host.run()
    (host.destination / "old").touch()
    assert host.run("Debian 13").returncode == 0
    assert (host.destination / "distribution").read_text() == "Debian 13\n"
    assert (host.starts(), (host.destination / "old").exists()) == (2, False)


def test_elixir_that_its_makers_compiled_goes_with_the_hosts_erlang(host: Host) -> None:
    host.variables["ERLANG_VERSION"] = ""
    host.sandbox.stub("erl", "echo 27")
    host.serve_elixir({f"lib/{name}/ebin/{name}.app": "" for name in ("elixir", "mix")})
    done = host.run()
    assert (done.returncode, "compile" in done.stdout) == (0, False), done.stdout
    assert (host.destination / "bin/elixir").exists()
    assert not (host.destination / "bin/erl").exists()


def test_without_checksums_it_shows_them_and_builds_nothing(host: Host) -> None:
    erlang, elixir = host.variables["ERLANG_SHA256"], host.variables["ELIXIR_SHA256"]
    host.variables |= {"ERLANG_SHA256": "", "ELIXIR_SHA256": ""}
    (host.served / "SHA256.txt").write_text(f"{'0' * 64}  other.tar.gz\n{erlang}  otp_src_27.3.4.tar.gz\n")
    done = host.run()
    assert done.returncode == 0, done.stdout
    assert f'erlang_sha256 = "{erlang}"\n' in done.stdout
    assert f'elixir_sha256 = "{elixir}"\n' in done.stdout
    assert "Erlang 27.3.4: this is the checksum that its makers publish beside it" in done.stdout
    assert "Elixir 1.18.4: no checksum is published beside it" in done.stdout
    assert not host.destination.exists()
    assert not host.scratch.exists()


def test_a_download_that_is_not_the_published_one_is_refused(host: Host) -> None:
    host.variables["ELIXIR_SHA256"] = ""
    (host.served / "v1.18.4.tar.gz.sha256sum").write_text(f"{'0' * 64}  v1.18.4.tar.gz\n")
    refused(host, host.run(), "and the one published beside it is 0000")


@pytest.mark.parametrize("name", ["ERLANG", "ELIXIR"])
def test_a_download_with_another_checksum_is_refused(host: Host, name: str) -> None:
    host.variables[f"{name}_SHA256"] = "0" * 64
    refused(host, host.run(), f"{name.lower()}_sha256 is {'0' * 64}")


def test_a_download_that_fails_says_which_setting_names_the_address(host: Host) -> None:
    (host.served / "v1.18.4.tar.gz").unlink()
    refused(host, host.run(), "Elixir 1.18.4 cannot be downloaded from https://example.com/v1.18.4.tar.gz")


def test_an_archive_of_another_version_is_refused(host: Host) -> None:
    host.serve_elixir({"Makefile": MAKEFILE}, version="1.17.0")
    refused(host, host.run(), "the archive of elixir_source is version 1.17.0, and elixir_version is 1.18.4")


def test_a_step_that_fails_shows_the_compilers_words(host: Host) -> None:
    done = host.run(BROKEN="yes")
    refused(host, done, "FAILED: Erlang 27.3.4: compile: make -j failed, for the reason above")
    assert "Error 1" in done.stdout
    assert host.run().returncode == 0


def test_elixir_that_does_not_run_with_this_erlang_is_refused(host: Host) -> None:
    host.variables["ERLANG_VERSION"] = ""
    host.sandbox.stub("erl", "echo 25")
    done = host.run()
    refused(host, done, "Elixir 1.18.4 does not run with Erlang of this host, for the reason above")
    assert "Erlang is too old" in done.stdout


def test_a_build_that_the_host_ends_says_so(host: Host) -> None:
    (host.sandbox.directory / "result").write_text("oom-kill\n")
    done = host.run(BROKEN="yes")
    refused(host, done, "the build of the toolchain was ended (oom-kill): make toolchain begins it anew")


def test_a_toolchain_that_has_no_room_leaves_no_part(host: Host) -> None:
    host.sandbox.stub("chmod", 'echo "chmod: No space left on device" >&2; exit 1')
    assert host.run().returncode == 1
    assert [path.name for path in host.toolchains.iterdir() if path.name.endswith(".part")] == []
    (host.sandbox.bin / "chmod").unlink()
    assert host.run().returncode == 0


def test_a_killed_build_leaves_nothing_that_the_next_one_takes(host: Host) -> None:
    for half in ("root/old", "erlang/old", "elixir/old"):
        (host.scratch / half).mkdir(parents=True)
    (host.scratch / "result.part").write_text("half")
    (host.scratch / "erlang.archive").write_text("half")
    (host.toolchains / f"{KEY}.part/old").mkdir(parents=True)
    done = host.run()
    assert done.returncode == 0, done.stdout
    assert sorted(path.name for path in host.destination.iterdir()) == ["bin", "distribution", "lib"]
    assert sorted(path.name for path in host.toolchains.iterdir()) == [".lock", KEY]


def test_a_build_that_ended_without_its_caller_is_taken(host: Host) -> None:
    """The connection was lost meanwhile: the unit went on, and nobody put its result into place."""
    host.run()
    shutil.copytree(host.destination, host.sandbox.directory / "built")
    shutil.rmtree(host.destination)
    host.scratch.mkdir(parents=True)
    subprocess.run(
        ["tar", "-C", "built", "-cf", str(host.scratch / "result.tar"), "."], cwd=host.sandbox.directory, check=True
    )
    assert host.run().returncode == 0
    assert (host.starts(), (host.destination / "bin/mix").exists()) == (1, True)


def test_two_at_once_build_one_after_the_other(host: Host) -> None:
    host.toolchains.mkdir()
    with (host.toolchains / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = {**host.sandbox.environment}
        with subprocess.Popen(
            host.command(), env=environment, cwd=host.sandbox.directory, stdout=subprocess.PIPE, text=True
        ) as waiting:
            assert waiting.stdout
            assert waiting.stdout.readline() == "another run builds a toolchain on this host: waiting for it\n"
            time.sleep(0.3)
            assert not host.destination.exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            waiting.communicate(timeout=60)
    assert (waiting.returncode, host.destination.exists()) == (0, True)


@pytest.mark.parametrize("inside", ["", "elixir-otp-27/"])
def test_an_archive_may_have_one_directory_around_all(sandbox: Sandbox, inside: str) -> None:
    archive(sandbox.directory / "toolchain.tar.gz", {f"{inside}bin/mix": "", f"{inside}lib/elixir/VERSION": "1.18.4"})
    for _ in range(2):
        done = sandbox.run("unpack_toolchain.sh", "toolchain.tar.gz", str(sandbox.directory / "toolchains"))
        assert done.returncode == 0, done.stderr
    assert (sandbox.directory / "toolchains/bin/mix").exists()


def test_an_archive_without_programs_is_refused(sandbox: Sandbox) -> None:
    archive(sandbox.directory / "toolchain.tar.gz", {"elixir/one": "", "elixir/two": ""})
    done = sandbox.run("unpack_toolchain.sh", "toolchain.tar.gz", str(sandbox.directory / "toolchains"))
    assert (done.returncode, done.stderr) == (1, "the archive of toolchain has no directory bin\n")
    assert not (sandbox.directory / "toolchains").exists()


def test_toolchains_are_listed_with_their_versions(host: Host) -> None:
    host.run()
    (host.destination / "lib/erlang/releases/27").mkdir(parents=True)
    (host.destination / "lib/erlang/releases/27/OTP_VERSION").write_text("27.3.4\n")
    (host.toolchains / f"{KEY}.tar.gz").touch()
    host.scratch.mkdir()
    host.sandbox.places["/opt/toolchains"] = host.toolchains
    assert host.sandbox.run("toolchains.sh").stdout.splitlines() == [
        f"{KEY}\tErlang 27.3.4 Elixir 1.18.4",
        f"{KEY}.tar.gz\t",
        f"{NAME}\t",
    ]


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ({"elixir": "exit 1", "apt-cache": "echo"}, ""),
        ({"elixir": 'echo "$1" | sed s/--short-version/1.19.0-rc.1/'}, "1.19.0-rc.1\n"),
        ({"apt-cache": 'printf "elixir:\\n  Installed: (none)\\n  Candidate: 1.14.0.dfsg-2\\n"'}, "1.14.0\n"),
        ({"apt-cache": 'printf "elixir:\\n  Installed: (none)\\n  Candidate: (none)\\n"'}, ""),
    ],
)
def test_the_elixir_that_a_build_will_have(sandbox: Sandbox, commands: dict[str, str], expected: str) -> None:
    for name, script in commands.items():
        sandbox.stub(name, script)
    # Root alone becomes another user.
    sandbox.stub("setpriv", 'shift 5\nexec "$@"')
    assert sandbox.run("elixir_version.sh", f"{sandbox.bin}:").stdout == expected
