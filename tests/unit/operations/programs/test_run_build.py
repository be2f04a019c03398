"""A build as a unit of systemd, its output, and the stored tarball; unpacking of toolchains."""

import fcntl
import hashlib
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from operations.host import program
from tests.unit.operations.programs.sandboxed import Sandbox

REVISION = "0123456789abcdef0123456789abcdef01234567"
VERSION = "0.2.0+20260201-main-0123456"

# systemd, as far as the program needs it: it reads the files of secrets, runs the program, and keeps its words and the
# arguments.
SYSTEMD_RUN = """\
printf '%s\\n' "$@" > asked
while [ "$1" != -- ]; do
    case $1 in
    --property=EnvironmentFile=*) cat "${1#*=*=}" > given.variables ;;
    --property=LoadCredential=deploy_key:*) cat "${1#*:}" > given.key ;;
    esac
    shift
done
"$2" "$3" > journal
exit 0
"""
# Levels of lines, as journald reads them.
JOURNALCTL = """\
[ "$1" != --sync ] || exit 0
case "$*" in
*" PRIORITY=5") sed -n 's/^<5>//p' journal ;;
*) sed 's/^<[0-9]>//' journal ;;
esac
"""
INSTALL = 'for last; do :; done\nmkdir -p "$last"'

BUILDING = f"""\
#!/bin/sh
echo "${{MARK}}Building {VERSION} with release …"
echo "Generated billing app"
echo "${{MARK}}Building {VERSION} with release … 7 s"
echo tarball > builds/scratch/release.tar.gz
echo "${{MARK}}Built {VERSION}"
"""


def sent(variables: str = "", key: str = "") -> str:
    """Secrets as the program reads them."""
    parts = [variables, key]
    sizes = " ".join(f"{hashlib.sha256(part.encode()).hexdigest()} {len(part.encode())}" for part in parts)
    return f"{sizes}\n{''.join(parts)}"


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
        sandbox.stub("chown", "")
        sandbox.stub("setpriv", 'shift 5\nexec "$@"')
        sandbox.stub("install", INSTALL)
        sandbox.stub("getent", "exit 2")
        sandbox.stub("id", "echo 998")
        sandbox.stub("nft", 'echo "$*" >> firewall\n[ "$1" = delete ] || cat >> firewall')
        sandbox.places["/run/build."] = self.directory / "private."
        path = self.directory / "build-stage.pl"
        path.write_text(program.text("build_output.pl"))
        path.chmod(0o755)
        self.builds_with(BUILDING)

    def builds_with(self, script: str) -> None:
        path = self.directory / "build-stage"
        path.write_text(script)
        path.chmod(0o755)

    def run(
        self,
        output: str = "steps",
        pause: str = "0",
        secrets: str = "",
        stdin: str = sent(),
        ref: str = "refs/heads/main",
    ) -> subprocess.CompletedProcess[str]:
        # A real build stamps another version then.
        for path in self.store.glob(f"billing-{VERSION}.*"):
            path.unlink()
        return self.sandbox.run(
            "run_build.sh", "billing-stage-build.service", str(self.directory / "build-stage"), "billing", "secrets",
            str(self.directory / "builds"), REVISION, "main", "3600", str(self.store), "billing", "Debian 13",
            "MIX_ENV=prod", "def", str(self.directory / "releases"), str(self.archive), program.text("unpack_sources.sh"),
            ".", output, pause, secrets, ref, "5432", "--property=CPUWeight=20", stdin=stdin,
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
    assert (done.returncode, done.stdout) == (0, f"Building {VERSION} with release … 7 s\nBuilt {VERSION}\n"), (
        done.stderr
    )
    tarball = f"billing-{VERSION}.tar.gz"
    assert host.stored() == [tarball, f"{tarball}.build", f"{tarball}.sha256"]
    assert (host.store / tarball).read_text() == "tarball\n"
    digest = hashlib.sha256(b"tarball\n").hexdigest()
    assert (host.store / f"{tarball}.sha256").read_text() == f"{digest}  {tarball}\n"
    *notes, built = (host.store / f"{tarball}.build").read_text().splitlines()
    assert notes == [
        f"revision={REVISION}",
        "branch=main",
        "distribution=Debian 13",
        "built_for=MIX_ENV=prod",
        "recipe=def",
        "ref=refs/heads/main",
    ]
    assert built.startswith("built=20")
    assert {path.stat().st_mode & 0o777 for path in host.store.iterdir()} == {0o600}


def test_a_build_with_secrets_in_it_is_noted(host: Host) -> None:
    host.builds_with(
        f"{BUILDING}echo 'secrets=built in' > builds/scratch/notes\necho evil=1 >> builds/scratch/notes\n"
        f'echo "${{MARK}}Built {VERSION}"\n'
    )
    assert host.run().returncode == 0
    assert (host.store / f"billing-{VERSION}.tar.gz.build").read_text().splitlines()[-1] == "secrets=built in"


def test_a_build_of_which_the_journal_has_nothing_says_so(host: Host) -> None:
    host.sandbox.stub("journalctl")
    done = host.run()
    assert done.returncode == 1
    assert "FAILED: the journal has no line of billing-stage-build.service, so nothing tells why" in done.stdout


def test_a_store_without_room_gets_no_part_of_a_tarball(host: Host) -> None:
    host.sandbox.stub(
        "sha256sum", '[ "$*" ] || { echo "No space left on device" >&2; exit 1; }\nexec /usr/bin/sha256sum "$@"'
    )
    host.sandbox.stub("sync", 'echo "sync: No space left on device" >&2; exit 1')
    done = host.run()
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert not [name for name in host.stored() if name.endswith((".gz", ".part"))]


def test_sources_are_gone_afterwards_and_nothing_else_is_left(host: Host) -> None:
    host.run()
    assert not host.archive.exists()
    left = {path.name for path in (host.directory / "builds" / "scratch").iterdir()}
    assert left == {"source", "files", "kept", "lost"}
    assert not list(host.directory.glob("tmp.*"))


LEAVES = """\
for name in .mix source/_build; do
    mkdir -p builds/scratch/$name
    ls builds/scratch/$name >> found
    touch "builds/scratch/$name/of $(sed -n 1p next)"
done
"""


def found(host: Host, ref: str) -> set[str]:
    """What a build of a branch finds of earlier builds; it leaves its own behind."""
    (host.directory / "next").write_text(ref.rpartition("/")[2] or "revision")
    (host.directory / "found").unlink(missing_ok=True)
    pack(host.archive, "mix.exs")
    done = host.run(ref=ref)
    assert done.returncode == 0, done.stderr
    return set((host.directory / "found").read_text().splitlines())


@pytest.fixture
def leaving(host: Host) -> Host:
    host.builds_with(BUILDING.replace("#!/bin/sh\n", f"#!/bin/sh\n{LEAVES}"))
    return host


def test_builds_of_a_branch_find_nothing_of_another(leaving: Host) -> None:
    assert found(leaving, "refs/heads/main") == set()
    assert found(leaving, "refs/heads/main") == {"of main"}
    # The names end alike.
    assert found(leaving, "refs/heads/theirs/main") == set()
    assert found(leaving, "refs/heads/main") == {"of main"}
    assert found(leaving, "refs/tags/main") == set()
    assert found(leaving, "refs/heads/main") == {"of main"}


def test_a_build_of_a_revision_finds_nothing_and_leaves_nothing(leaving: Host) -> None:
    found(leaving, "refs/heads/main")
    assert found(leaving, "") == found(leaving, "") == set()
    assert "ref=anew" in next(leaving.store.glob("*.build")).read_text()
    assert found(leaving, "refs/heads/main") == {"of main"}


def test_what_builds_of_three_branches_left_is_kept(leaving: Host) -> None:
    for ref in ("refs/heads/a", "refs/heads/b", "refs/heads/c"):
        found(leaving, ref)
    assert found(leaving, "refs/heads/a") == {"of a"}
    found(leaving, "refs/heads/d")
    # Of four, the one that was built first of all.
    assert found(leaving, "refs/heads/b") == set()
    assert len(list((leaving.directory / "builds/others").iterdir())) == 2


def test_a_scratch_of_an_unknown_branch_does_not_count(leaving: Host) -> None:
    found(leaving, "refs/heads/main")
    # As after a power cut between two steps, and on hosts from before branches were kept apart.
    (leaving.directory / "builds/branch").unlink()
    assert found(leaving, "refs/heads/main") == set()


def test_a_build_reaches_no_database_of_the_machine(host: Host) -> None:
    host.builds_with(BUILDING.replace("#!/bin/sh\n", "#!/bin/sh\ncp firewall during\n"))
    assert host.run().returncode == 0
    during = (host.directory / "during").read_text()
    assert 'oif "lo" tcp dport { 5432-5441 } meta skuid "billing" reject with tcp reset' in during
    assert "\ndelete table inet deploy_build_998\n" in during
    assert (host.directory / "firewall").read_text() == f"{during}delete table inet deploy_build_998\n"


def test_the_unit_runs_as_the_application_user_for_a_limited_time(host: Host) -> None:
    host.run()
    assert {
        "--unit=billing-stage-build.service", "--uid=billing", "--gid=billing", "--property=UMask=0077",
        "--property=RuntimeMaxSec=3600", f"--property=WorkingDirectory={host.directory}/builds/scratch/source",
        f"--setenv=REVISION={REVISION}", "--setenv=BRANCH=main", "--setenv=TAKEN=",
    } < set(host.asked())  # fmt: skip
    assert not [word for word in host.asked() if "SupplementaryGroups" in word]


def test_the_unit_gets_the_group_of_the_secret_file_where_there_is_one(host: Host) -> None:
    host.sandbox.stub("getent")
    host.run()
    assert "--property=SupplementaryGroups=secrets" in host.asked()


# Erlang says where OTP is, to nobody alone.
ERL = """\
[ "$ASKED_AS" = nobody ] || exit 1
echo "$HOME" > home
printf %s "$PWD/erlang"
"""
AS = """\
user=$2
shift 5
[ "$user" = nobody ] || exec "$@"
[ "$1 $2" = "env -i" ] || exit 1
shift 2
exec env -i "ASKED_AS=$user" "$@"
"""


def with_otp(host: Host, release_tool: str) -> Path:
    """A build with this tool, and OTP's directory of releases."""
    (host.directory / "build-stage.conf").write_text(
        f"release_tool={release_tool}\ntoolchain_path={host.sandbox.bin}:\n"
    )
    host.sandbox.stub("erl", ERL)
    host.sandbox.stub("setpriv", AS)
    releases = host.directory / "erlang/releases"
    (releases / "25").mkdir(parents=True)
    (releases / "25/OTP_VERSION").write_text("25.2.3\n")
    (releases / "RELEASES").write_text("the table of OTP itself")
    return releases


def test_otp_writes_the_table_of_a_distillery_release_into_a_copy(host: Host) -> None:
    releases = with_otp(host, "distillery")
    copy = host.directory / "builds/otp"
    for _ in range(2):
        # Of a build that was killed.
        copy.mkdir(parents=True, exist_ok=True)
        (copy / "RELEASES").write_text("of another build")
        assert host.run().returncode == 0
        assert {f"--property=BindPaths={copy}:{releases}", f"--setenv=OTP_RELEASES={releases}"} < set(host.asked())
        assert [path.name for path in copy.iterdir()] == ["25"]
        pack(host.archive, "mix.exs")
    assert (copy / "25/OTP_VERSION").read_text() == "25.2.3\n"
    assert (releases / "RELEASES").read_text() == "the table of OTP itself"
    assert (host.directory / "home").read_text() == "/nonexistent\n"


@pytest.mark.parametrize("trouble", ["mix", "no erl", "no releases"])
def test_other_builds_need_no_copy(host: Host, trouble: str) -> None:
    releases = with_otp(host, "mix" if trouble == "mix" else "distillery")
    if trouble == "no erl":
        host.sandbox.stub("erl", "exit 127")
    if trouble == "no releases":
        releases.rename(releases.with_name("elsewhere"))
    assert host.run().returncode == 0
    assert not [word for word in host.asked() if "BindPaths" in word or "OTP_RELEASES" in word]


@pytest.mark.parametrize(
    ("version", "refused"),
    [
        ("0.2.0+20260201-other-0123456", "does not end with its date and -main-0123456"),
        ("0.2.0+20260201-main-7654321", "does not end with its date and -main-0123456"),
        ("0.2.0+20260201-main-0123456-other-7654321", "does not end with its date and -main-0123456"),
        ("0.2.0+x-main-0123456", "does not end with its date and -main-0123456"),
        ("0.1.0+20260101-main-0123456", "as another build does"),
        ("0.1.0+20260101-main-0123456.2", ""),
        ("0.1.0+one.20260201-main-0123456", ""),
    ],
)
def test_a_build_passes_for_no_other_one(host: Host, version: str, refused: str) -> None:
    """A branch's own code prints the version."""
    other = host.store / "billing-0.1.0+20260101-main-0123456.tar.gz"
    other.write_text("of somebody else")
    host.builds_with(BUILDING.replace(VERSION, version))
    done = host.run()
    assert (done.returncode, "FAILED: the build calls itself" in done.stdout) == ((1, True) if refused else (0, False))
    assert refused in done.stdout
    assert other.read_text() == "of somebody else"
    assert (len(host.stored()) == 1) == bool(refused)


def test_versions_in_the_store_and_unpacked_ones_are_taken(host: Host) -> None:
    (host.store / "billing-0.1.0.tar.gz").touch()
    (host.store / "other-9.9.9.tar.gz").touch()
    (host.directory / "releases" / "0.1.1").mkdir(parents=True)
    host.run()
    assert "--setenv=TAKEN=0.1.0 0.1.1" in host.asked()


@pytest.mark.parametrize(
    "script",
    [
        'echo "${MARK}FAILED: no mix.exs"',
        ":",
        'touch release.tar.gz ../x; echo "${MARK}Built ../x"',
        f'echo "${{MARK}}Built {VERSION}"; echo "${{MARK}}and killed"',
        f'echo tarball > builds/scratch/release.tar.gz; echo "Built {VERSION}"',
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
    host.sandbox.stub("journalctl", f'case "$*" in *" {matches} PRIORITY=5") sed -n "s/^<5>//p" journal ;; esac')
    assert host.run().returncode == 0


def test_a_build_without_a_tarball_stores_nothing_of_its_name(host: Host) -> None:
    host.builds_with(f'#!/bin/sh\necho "${{MARK}}Built {VERSION}"\n')
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
        'if [ "$left" = 0 ]; then echo "<5>Built 0.2.0+20260201-main-0123456" >> journal; echo inactive\n'
        'else echo "<5>line $left" >> journal; echo active; fi',
    )
    host.sandbox.stub("sleep")
    done = host.run()
    assert (done.returncode, done.stdout) == (0, f"line 3\nline 2\nline 1\nBuilt {VERSION}\n")


NASTY = r"""a b\n\"'$HOME\\ é"""


def test_secrets_reach_the_unit_and_no_argument_file_or_other_process(host: Host) -> None:
    variables, key = f'TOKEN="{NASTY}"\n', "-----BEGIN\nc2VjcmV0\n-----END\n"
    # Every other process that the program starts as the application user shows the files it has.
    host.sandbox.stub("setpriv", 'ls -l /proc/self/fd >> files\nshift 5\nexec "$@"')
    done = host.run(secrets="TOKEN", stdin=sent(variables, key))
    assert (done.returncode, done.stderr) == (0, "")
    assert (host.directory / "given.variables").read_text() == variables
    assert (host.directory / "given.key").read_text() == key
    assert "--setenv=BUILD_SECRETS=TOKEN" in host.asked()
    for given in ("given.variables", "given.key"):
        (host.directory / given).unlink()
    assert NASTY not in (host.directory / "asked").read_text()
    assert "private." not in (host.directory / "files").read_text()
    everywhere = [path for path in host.directory.rglob("*") if path.is_file()]
    assert not [path for path in everywhere if b"c2VjcmV0" in path.read_bytes()]
    assert not list(host.directory.glob("private.*"))


def test_a_build_without_secrets_gets_no_file_of_them(host: Host) -> None:
    assert host.run().returncode == 0
    assert not [word for word in host.asked() if "EnvironmentFile" in word or "LoadCredential" in word]
    assert "--property=CPUWeight=20" in host.asked()


@pytest.mark.parametrize("stdin", ["", sent("TOKEN=x\n", "key\n")[:-3], sent("TOKEN=x\n").replace("x", "y")])
def test_secrets_that_are_cut_off_start_no_build(host: Host, stdin: str) -> None:
    done = host.run(stdin=stdin)
    assert (done.returncode, done.stderr) == (1, "the secrets of the build did not arrive whole: build again\n")
    assert not (host.directory / "asked").exists()
    assert not list(host.directory.glob("private.*"))


def timeless(output: str) -> list[str]:
    """The lines with N in place of seconds."""
    return [re.sub(r"\d+ s$", "N s", line) for line in output.splitlines()]


FETCHING = """\
#!/bin/sh
echo "${MARK}Fetching dependencies …"
echo "Resolving"
echo "${MARK}Fetching dependencies … 3 s"
echo "${MARK}Building 0.2.0 …"
"""


def test_the_output_of_a_failed_step_is_shown_before_the_reason(host: Host) -> None:
    host.builds_with(f'{FETCHING}echo "== error =="\necho "${{MARK}}FAILED: add g++"\nexit 1\n')
    done = host.run()
    assert done.returncode == 1
    assert timeless(done.stdout) == [
        "Fetching dependencies … N s", "Building 0.2.0 … failed after N s", "== error ==", "FAILED: add g++",
    ]  # fmt: skip


def test_of_a_long_step_the_last_lines_are_shown(host: Host) -> None:
    host.builds_with(f"{FETCHING}seq 1000\nexit 1\n")
    lines = timeless(host.run().stdout)
    assert lines[1:4] == [
        "Building 0.2.0 … failed after N s",
        "(the last 200 lines; the journal has all of them: journalctl --unit billing-stage-build.service)",
        "801",
    ]
    assert (len(lines), lines[-1]) == (203, "1000")


def test_all_output_is_shown_where_it_is_asked_for(host: Host) -> None:
    host.builds_with(f'{FETCHING}echo "== error =="\necho "${{MARK}}FAILED: add g++"\nexit 1\n')
    assert timeless(host.run(output="all").stdout) == [
        "Fetching dependencies …", "Resolving", "Fetching dependencies … N s", "Building 0.2.0 …", "== error ==",
        "FAILED: add g++",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("oom-kill", "FAILED: the build ran out of memory: raise build_memory_limit"),
        ("timeout", "FAILED: the build was ended after 3600 s"),
        ("signal", "FAILED: a signal ended the build"),
    ],
)
def test_a_build_that_is_ended_from_outside_says_so(host: Host, result: str, reason: str) -> None:
    host.builds_with(FETCHING)
    host.sandbox.stub("systemctl", f'case "$*" in *Result*) echo {result} ;; "show "*) echo failed ;; esac')
    done = host.run()
    assert (done.returncode, done.stdout.splitlines()[-1].startswith(reason)) == (1, True), done.stdout


def test_a_long_step_shows_that_it_goes_on(host: Host) -> None:
    host.sandbox.stub("systemd-run", "echo tarball > builds/scratch/release.tar.gz\n: > journal\necho 5 > left")
    host.sandbox.stub(
        "systemctl",
        '[ "$1" = show ] || exit 0\nleft=$(($(cat left) - 1))\necho "$left" > left\ncase $left in\n'
        '4) echo "<5>Compiling …" >> journal; echo active ;;\n'
        f'0) echo "<5>Built {VERSION}" >> journal; echo inactive ;;\n'
        "*) echo active ;;\nesac",
    )
    host.sandbox.stub("sleep", "exec /bin/sleep 1")
    done = host.run(pause="1")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert (lines[-1], re.fullmatch(r"Compiling … \d+ s so far", lines[0]) is not None) == (
        "Built 0.2.0+20260201-main-0123456",
        True,
    ), lines
    assert not [line for line in host.run(pause="0").stdout.splitlines() if "so far" in line]


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
