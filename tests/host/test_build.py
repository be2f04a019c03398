"""Builds on the environment's own machine and on another one, and builds that fail."""

import re
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import pytest

from operations.release.toolchain import OTP
from tests.host.conftest import TRIXIE, Host
from tests.host.project import Run
from tests.host.releases import seed_application, wait_until
from tests.host.releasing import PYINFRA, begun, release, version
from tests.host.small_disk import SmallDisk

# What it needs of Debian is the same on both releases.
pytestmark = TRIXIE

STORE = "/var/lib/billing_stage/artifacts"


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com"]
    run = subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def commit(directory: Path) -> str:
    """All there is, committed; the short revision."""
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--allow-empty", "--message=change")
    return git(directory, "rev-parse", "HEAD")[:7]


@pytest.fixture(scope="module")
def repository(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example application in a repository of its own, which group data names."""
    path = tmp_path_factory.mktemp("repository") / "billing"
    seed_application(path)
    git(path, "init", "--quiet", "--initial-branch=main")
    host.project.edit("all", repository=str(path), build_packages=["erlang-p1-pgsql"])
    host.project.edit("stage", build_commands=["echo hooked > priv_hook", "mkdir -p priv && mv priv_hook priv/hook"])
    return path


def build(host: Host, environment: str = "stage", **options: str) -> Run:
    return host.project.run(
        "make", "build", f"ENV={environment}", *(f"{key}={value}" for key, value in options.items())
    )


def stored(host: Host) -> list[str]:
    """Versions in the store, and whatever else is there."""
    names = host.machine.run(f"ls -t {STORE}").stdout.split()
    return [
        name.removeprefix("billing-").removesuffix(".tar.gz")
        for name in names
        if not name.endswith((".build", ".sha256"))
    ]


def test_a_build_is_stamped_stored_and_released(host: Host, repository: Path) -> None:
    revision = commit(repository)
    planned = host.project.run(
        "env", "DEPLOY_BUILD=stage", *PYINFRA, "deploys/build.py", "--limit", "stage", "--dry", "--diff"
    )
    assert f"Will build stage from revision {revision} on Debian 13" in planned.output
    assert host.machine.run(f"ls -A {STORE}").stdout == ""
    run = build(host).require_success()
    stamped = f"0.1.0+{time.strftime('%Y%m%d', time.gmtime())}-main-{revision}"
    assert f"Built {stamped}" in run.output
    assert stored(host) == [stamped]
    facts = dict(
        line.split("=", 1)
        for line in host.machine.run(f"cat {STORE}/billing-{stamped}.tar.gz.build").stdout.splitlines()
    )
    assert facts["revision"] == git(repository, "rev-parse", "HEAD")
    assert (facts["branch"], facts["distribution"]) == ("main", "Debian 13")
    host.machine.run(f"cd {STORE} && sha256sum --check --status *.sha256")
    assert set(host.machine.run(f"stat -c '%U %a' {STORE} {STORE}/*").stdout.splitlines()) == {"root 700", "root 600"}
    # Any of OTP's applications that a mix.exs may name is there.
    names = "".join(f" {name.replace('-', '_')}" for name in OTP if name != "dev")
    host.machine.run(f"elixir -e 'for name <- ~w({names})a, do: :ok = Application.ensure_loaded(name)'")
    release(host, "stage").require_success()
    assert version(host.machine, "stage") == stamped
    assert host.machine.run("cat /home/billing/stage/releases/*/lib/billing-*/priv/hook").stdout == "hooked\n"
    assert revision in host.project.make("releases").output


@pytest.mark.everything
def test_building_again_what_is_there_already(host: Host, repository: Path) -> None:
    [built] = stored(host)
    digest = host.machine.run(f"sha256sum {STORE}/*.gz").stdout
    run = build(host).require_success()
    assert f"Built already: {built}. REBUILD=1 builds it anew" in run.output
    again = host.project.run("make", "update", "ENV=stage").require_success()
    assert "Nothing would change." in again.output
    assert host.machine.run(f"sha256sum {STORE}/*.gz").stdout == digest
    build(host, REBUILD="1").require_success()
    assert stored(host) == [f"{built}.2", built]
    release(host, "stage").require_success()
    assert version(host.machine, "stage") == f"{built}.2"


@pytest.mark.everything
def test_a_build_whose_disk_fills_up_gives_its_room_back(host: Host, repository: Path) -> None:
    disk = SmallDisk(host.machine, "/var/cache/billing_stage-build")
    disk.create()
    before = stored(host)
    host.project.edit("stage", build_commands=["head -c 500M /dev/zero > waste"])
    disk.limit(100)
    run = build(host, REBUILD="1")
    host.project.edit("stage", build_commands=["mkdir -p priv && echo hooked > priv/hook"])
    assert (run.exit_code, "FAILED: no room is left on the disk, for the reason above" in run.output) == (2, True), (
        run.output
    )
    assert stored(host) == before
    # With the room that the build gave back.
    build(host, REBUILD="1").require_success()
    disk.take_room("inodes")
    refused = build(host, REBUILD="1")
    disk.make_room()
    sentence = "the file system /var/cache/billing_stage-build has no inodes left"
    assert (refused.exit_code, sentence in refused.output) == (2, True), refused.output


@pytest.mark.everything
def test_a_build_for_another_environment_is_not_released(host: Host, repository: Path) -> None:
    build(host, FETCH="1").require_success()
    tarball = next((host.project.path / ".releases/stage").glob("*.tar.gz"))
    run = release(host, "prod", tarball)
    shutil.rmtree(host.project.path / ".releases/stage")
    assert (run.exit_code, "was built with MIX_ENV=stage, and prod is built with MIX_ENV=prod" in run.output) == (
        1,
        True,
    )


@pytest.mark.everything
def test_a_file_that_was_deleted_is_not_built_and_an_unchanged_one_not_compiled(host: Host, repository: Path) -> None:
    # What the commands of before wrote into priv would compile all of the application anew.
    host.project.edit("stage", build_commands=None)
    (repository / "lib/billing/extra.ex").write_text("defmodule Billing.Extra do\nend\n")
    commit(repository)
    with_it = build(host).require_success().output
    (repository / "lib/billing/extra.ex").unlink()
    with (repository / "lib/billing/mishap.ex").open("a") as file:
        file.write("# a line more\n")
    commit(repository)
    build(host, FETCH="1").require_success()
    assert "Built" in with_it
    scratch = "/var/cache/billing_stage-build/scratch"
    since = f"-newer {scratch}/source/lib/billing/mishap.ex"
    compiled = host.machine.run(f"find {scratch}/source/_build/*/lib/billing -name '*.beam' {since}")
    assert [Path(line).name for line in compiled.stdout.split()] == ["Elixir.Billing.Mishap.beam"]
    here = sorted((host.project.path / ".releases/stage").iterdir())
    assert [file.stat().st_mode & 0o777 for file in here] == [0o600] * 3
    assert (host.project.path / ".releases").stat().st_mode & 0o777 == 0o700
    with tarfile.open(here[0]) as archive:
        names = archive.getnames()
    assert not [name for name in names if "Elixir.Billing.Extra" in name]
    assert [name for name in names if name.startswith("./erts-")]
    assert host.machine.run("ls -A ~devops/.deploy-uploads").stdout == ""


@pytest.mark.everything
def test_a_fetched_build_is_released_elsewhere(host: Host, repository: Path) -> None:
    """As with a build host of its own: the tarball comes from here, with what it was built from."""
    before = stored(host)
    host.machine.run(f"rm {STORE}/*")
    release(host, "stage", VERSION=before[0]).require_success()
    assert version(host.machine, "stage") == before[0]
    assert git(repository, "rev-parse", "HEAD")[:7] in host.project.make("releases", "ENV=stage").output


@pytest.mark.everything
def test_another_environments_machine_builds(host: Host, repository: Path) -> None:
    host.project.edit("prod", build_host="stage")
    try:
        assert build(host, "prod").require_success()
        wrong = host.project.run("env", "DEPLOY_BUILD=prod", *PYINFRA, "deploys/build.py", "--limit", "prod", "--yes")
        assert (wrong.exit_code, "prod is built on stage, not on prod" in wrong.output) == (1, True), wrong.output
        release(host, "prod").require_success()
    finally:
        host.project.edit("prod", build_host=None)
    assert version(host.machine, "prod").startswith("0.1.0+")


@pytest.mark.everything
def test_built_for_another_distribution(host: Host, repository: Path) -> None:
    version_ = stored(host)[0]
    host.machine.run(f"sed -i 's/Debian 13/Debian 12/' {STORE}/billing-{version_}.tar.gz.build")
    run = release(host, "stage", VERSION=version_)
    assert (run.exit_code, "built on Debian 12 and the host of stage runs Debian 13" in run.output) == (1, True), (
        run.output
    )
    host.machine.run(f"sed -i 's/Debian 12/Debian 13/' {STORE}/billing-{version_}.tar.gz.build")


@pytest.mark.everything
def test_uncommitted_code_is_not_silently_left_out(host: Host, repository: Path) -> None:
    (repository / "new.txt").write_text("")
    run = build(host)
    assert (run.exit_code, "has uncommitted work" in run.output) == (2, True), run.output
    (repository / "new.txt").unlink()


@pytest.mark.everything
def test_a_build_that_fails_says_why_and_leaves_nothing(host: Host, repository: Path) -> None:
    before = stored(host)
    good = git(repository, "rev-parse", "HEAD")
    (repository / "lib/billing/broken.ex").write_text("defmodule Billing.Broken do\n  def missing, do: nowhere\nend\n")
    commit(repository)
    run = build(host)
    assert (run.exit_code, 'undefined variable "nowhere"' in run.output) == (2, True), run.output
    git(repository, "reset", "--quiet", "--hard", good)
    host.project.edit("stage", build_commands=["exit 3"])
    run = build(host)
    assert (run.exit_code, "FAILED: build_commands: exit 3 failed" in run.output) == (2, True), run.output
    host.project.edit("stage", include_erts=False, build_commands=None)
    run = build(host)
    assert (run.exit_code, "the Erlang runtime is in the release" in run.output) == (2, True), run.output
    host.project.edit("stage", include_erts=None)
    assert stored(host) == before


# What a branch may try, as its `mix.exs` and its build commands can. Each line that begins with REACHED is one way too many.
ATTACK = """\
id -un
for file in /var/prod.secret.exs /home/billing/prod/private/.erlang.cookie /home/billing/stage/private/.erlang.cookie; do
    if cat "$file" > /dev/null 2>&1; then echo "REACHED $file"; fi
done
for place in /home/billing /home/billing/stage /var/lib/billing_prod /etc/cron.d /var/lib/billing_stage; do
    if touch "$place/planted" 2> /dev/null; then echo "REACHED $place"; fi
done
if echo 'planted' >> ~billing/.bashrc; then echo "REACHED .bashrc"; fi
if systemctl restart billing_prod; then echo "REACHED systemd"; fi
if busctl --system list > /dev/null; then echo "REACHED the bus"; fi
if sudo -n true; then echo "REACHED sudo"; fi
if test -n "$(ls /run/postgresql 2> /dev/null)"; then echo "REACHED the socket of PostgreSQL"; fi
if stat -c %U /proc/[0-9]* | grep -v "$(id -un)" > /dev/null; then echo "REACHED processes of others"; fi
if bash -c ": < /dev/tcp/127.0.0.1/5432" 2> /dev/null; then echo "REACHED PostgreSQL"; fi
exit 3
"""


def test_a_branch_reaches_nothing_but_its_build(host: Host, repository: Path) -> None:
    machine = host.machine
    good = git(repository, "rev-parse", "HEAD")
    (repository / "attack.sh").write_text(ATTACK)
    commit(repository)
    host.project.edit("stage", build_commands=["sh attack.sh"])
    aliases = machine.run("cat /home/billing/.bashrc").stdout
    shown = build(host).output
    git(repository, "reset", "--quiet", "--hard", good)
    host.project.edit("stage", build_commands=None)
    assert re.search(r"^\S*\s*billing_stage-build$", shown, re.MULTILINE), shown
    assert "REACHED" not in shown
    assert machine.run("cat /home/billing/.bashrc").stdout == aliases
    # The control: root reaches all of it.
    machine.run("cat > /root/attack.sh", stdin=ATTACK)
    reached = machine.run("sh /root/attack.sh", check=False).stdout
    assert reached.count("REACHED") == 14, reached
    machine.run("rm -f /root/attack.sh; find / -xdev -name planted -delete; sed -i /planted/d /home/billing/.bashrc")


TOKEN = "t0ken 'with' $HOME \\ and \"quotes\" #{x}%41"

# Public, as nginx and git serve it: over https with a password, over ssh with a key. The build's user sees the secrets.
PRIVATE = """\
set -e
useradd --create-home --shell /bin/sh keeper
install -d -m 755 -o keeper /srv/git
cd /srv/git
runuser -u keeper -- git init --quiet --bare private.git
runuser -u keeper -- git -C private.git update-server-info
install -d -m 700 -o keeper ~keeper/.ssh
install -m 600 -o keeper /root/deploy.pub ~keeper/.ssh/authorized_keys
openssl req -x509 -newkey rsa:2048 -nodes -keyout /root/git.key -out /root/git.pem -days 2 -subj /CN=127.0.0.1 2> /dev/null
cat > /etc/nginx/conf.d/git.conf <<'END'
server {
    listen 127.0.0.1:8443 ssl;
    ssl_certificate /root/git.pem;
    ssl_certificate_key /root/git.key;
    root /srv/git;
    auth_basic git;
    auth_basic_user_file /etc/nginx/git.htpasswd;
}
END
printf 'deploy:%s\\n' "$(openssl passwd -6 -stdin < /root/token)" > /etc/nginx/git.htpasswd
systemctl reload nginx
"""


@pytest.mark.everything
def test_private_repositories_over_ssh_and_https(host: Host, repository: Path, tmp_path: Path) -> None:
    machine = host.machine
    commit(repository)
    # Brings git along, which the server needs, when no other test has built before.
    build(host).require_success()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "deploy", "-f", str(tmp_path / "key")], check=True
    )
    key = (tmp_path / "key").read_text()
    machine.run("cat > /root/deploy.pub", stdin=(tmp_path / "key.pub").read_text())
    machine.run("cat > /root/token", stdin=TOKEN)
    machine.run(PRIVATE)
    public = machine.run("cat /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[:2]
    host.project.set_secrets("stage", BUILD_TOKEN=TOKEN, BUILD_DEPLOY_KEY=key)
    settings = {
        "build_secrets": ["BUILD_TOKEN"],
        "build_git_tokens": {"deploy@127.0.0.1:8443": "BUILD_TOKEN"},
        "build_deploy_key": "BUILD_DEPLOY_KEY",
        "build_known_hosts": [f"127.0.0.1 {' '.join(public)}"],
        "build_memory_limit": 1024,
        "build_commands": [
            "git clone --quiet ssh://keeper@127.0.0.1/srv/git/private.git over-ssh",
            "GIT_SSL_NO_VERIFY=1 git clone --quiet https://127.0.0.1:8443/private.git over-https",
            'echo "token $BUILD_TOKEN"; cat "$CREDENTIALS_DIRECTORY/deploy_key"; echo sees $(ls /home /root /var/cache)',
        ],
    }
    host.project.edit("stage", **settings)
    try:
        run = build(host, REBUILD="1", VERBOSE="1").require_success()
        assert "token [secret]" in run.output
        journal = machine.run("journalctl --unit billing_stage-build --output cat").stdout
        for text in (run.output, journal):
            assert TOKEN not in text
            assert not [line for line in key.splitlines()[1:-1] if line in text]
        # Of the directories of all environments it has its own.
        assert "sees /home: /root: /var/cache: billing_stage-build" in " ".join(run.output.split())
        # Nothing is left, in memory or on the disk.
        assert (
            machine.run(
                "ls -d /run/build.* /run/billing_stage-build /run/credentials/*build* 2>&1 || true"
            ).stdout.count("No such file")
            == 3
        )
        left = "grep -rlF --exclude-dir=proc -f - /var/cache /var/lib/billing_stage /run /tmp /home || true"
        assert machine.run(left, stdin=TOKEN).stdout == ""
        # Neither the application's unit nor its user gets them.
        host.project.apply("--limit", "stage").require_success()
        assert (
            "BUILD_" not in machine.run("cat /var/lib/billing_stage/variables.secret /etc/default/billing_stage").stdout
        )
        host.project.edit("stage", build_commands=["mkdir -p priv", 'printf %s "$BUILD_TOKEN" > priv/leak'])
        run = build(host, REBUILD="1")
        assert run.exit_code == 2
        assert re.search(
            r"FAILED: the release has the value of BUILD_TOKEN in it, in lib/billing-[^/]*/priv/leak:", run.output
        )
        host.project.edit("stage", build_commands=settings["build_commands"])
        host.project.edit("stage", build_known_hosts=[f"127.0.0.1 ssh-ed25519 {'A' * 68}"])
        run = build(host, REBUILD="1")
        assert (run.exit_code, "ssh does not know the public key of the git server" in run.output) == (2, True), (
            run.output
        )
    finally:
        host.project.edit("stage", **dict.fromkeys(settings))
        machine.run("rm /etc/nginx/conf.d/git.conf && systemctl reload nginx")


# Seconds of each of 120 requests to prod, by one process in a unit of the machine. A command of `Machine.run` is outside the
# machine's control groups: it would compete with the machine as a whole.
REQUESTS = """\
systemd-run --quiet --pipe --wait --collect \\
    curl -s --rate 40/s -o /dev/null -w '%{time_total}\\n' 'http://127.0.0.1:4000/?[1-120]'
"""

# All processors, and the disk.
BUSY = (
    "for n in 1 2 3 4; do timeout 300 sh -c 'while :; do :; done' & done; "
    "timeout 300 sh -c 'while :; do dd if=/dev/zero of=junk bs=1M count=200 conv=fsync 2> dd; done' & wait; rm -f junk dd"
)


@pytest.fixture
def favoured(host: Host) -> Host:
    """The machine, which gets the computer's processors before other machines and tests do."""
    for group in (host.machine.slot.directory / "cgroups").read_text().splitlines():
        for name, most in (("cpu.shares", 262_144), ("cpu.weight", 10_000)):
            if (Path(group) / name).exists():
                (Path(group) / name).write_text(str(most))
    return host


def answer_times(host: Host) -> list[float]:
    """Milliseconds until each of prod's answers, the shortest first."""
    return sorted(1000 * float(line) for line in host.machine.run(REQUESTS).stdout.split())


def at_work(host: Host, unit: str) -> int:
    """How many processes of a unit run, or wait for a processor alone."""
    lines = host.machine.run("ps -eo unit=,state=").stdout.splitlines()
    return [line.split() for line in lines].count([unit, "R"])


@pytest.mark.everything
@pytest.mark.parametrize("settings", [{}, {"build_memory_limit": 512, "build_cpu_weight": 20}], ids=["default", "set"])
def test_prod_answers_while_a_build_uses_all_it_can_get(
    favoured: Host, repository: Path, settings: dict[str, int]
) -> None:
    host = favoured
    commit(repository)
    host.project.edit("prod", build_commands=None)
    build(host, "prod").require_success()
    release(host, "prod").require_success()
    host.project.edit("stage", **settings, build_commands=[BUSY])
    unit = "billing_stage-build.service"
    quiet, busy = [], []
    try:
        with begun(host, "deploys/build.py", "stage", REBUILD="1", VERBOSE="1") as (building, output):
            wait_until(lambda: "+ for n in" in output.read_text(), "the build", 300)
            limits = host.machine.run(f"systemctl show --property CPUWeight,MemoryMax {unit}").stdout.split()
            memory = f"{512 * 2**20}" if settings else "infinity"
            assert limits == ["CPUWeight=20", f"MemoryMax={memory}"]
            # Other processes of this computer slow both down: so the two take turns.
            for _ in range(3):
                host.machine.run(f"systemctl kill --signal=STOP {unit}")
                quiet += answer_times(host)
                assert at_work(host, unit) == 0
                host.machine.run(f"systemctl kill --signal=CONT {unit}")
                busy += answer_times(host)
                assert at_work(host, unit) >= 4
            assert building.poll() is None, output.read_text()
            host.machine.run(f"systemctl kill --signal=KILL {unit}")
            assert building.wait(60) != 0
    finally:
        host.machine.run(f"systemctl kill --signal=KILL {unit}", check=False)
        host.project.edit("stage", **dict.fromkeys(settings), build_commands=None)
    assert "FAILED: a signal ended the build" in output.read_text()
    assert host.machine.run("ls -d /run/billing_stage-build 2>&1 || true").stdout.count("No such file") == 1
    print(f"median {median(quiet):.2f} ms, while a build is busy {median(busy):.2f} ms")
    assert median(busy) < 2 * median(quiet)


@pytest.mark.everything
def test_two_builds_of_one_environment(host: Host, repository: Path) -> None:
    host.project.edit("stage", build_commands=["sleep 6"])
    with begun(host, "deploys/build.py", "stage", VERBOSE="1") as (first, output):
        wait_until(lambda: "+ sleep 6" in output.read_text(), "the first build", 300)
        second = build(host)
        assert (second.exit_code, "a build of this environment is at work" in second.output) == (2, True), second.output
        assert first.wait(60) == 0, output.read_text()


@pytest.mark.everything
def test_a_named_release_in_a_directory_of_the_repository(
    host: Host, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A name in group data that mix.exs does not have is refused with the line for group data, before a build."""
    whole = tmp_path_factory.mktemp("whole")
    seed_application(whole / "services/billing")
    mix_exs = whole / "services/billing/mix.exs"
    mix_exs.write_text(mix_exs.read_text().replace("releases: [billing:", "releases: [demo:"))
    git(whole, "init", "--quiet", "--initial-branch=main")
    commit(whole)
    host.project.edit("all", repository=str(whole))
    elsewhere = build(host)
    assert (
        "set build_directory to the application's directory (there are: services/billing/mix.exs)" in elsewhere.output
    )
    host.project.edit("stage", build_directory="services/billing")
    # The only release needs no setting: the host calls it by the application's name.
    host.project.make("update", "ENV=stage", "YES=1").require_success()
    assert host.project.make("ping", "ENV=stage").exit_code == 0
    host.project.edit("stage", release_name="main")
    misnamed = build(host)
    assert 'mix.exs has the release demo, and group data expects main: set release_name = "demo"' in misnamed.output
    host.project.edit("stage", release_name="demo")
    host.project.apply("--limit", "stage").require_success()
    host.project.make("update", "ENV=stage", "YES=1").require_success()
    host.project.edit("all", repository=str(repository))
    assert version(host.machine, "stage") == stored(host)[0]
    assert host.project.make("ping", "ENV=stage").exit_code == 0
    host.project.edit("stage", build_directory=None, release_name=None)


@pytest.fixture
def elixir_source(host: Host, tmp_path: Path) -> Iterator[str]:
    """URL of an archive whose programs are Debian's, for a version that is in it."""
    inside = tmp_path / "elixir"
    for name in ("elixir", "elixirc", "iex", "mix"):
        program = inside / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec /usr/bin/{name} "$@"\n')
        program.chmod(0o755)
    (inside / "lib/elixir/ebin").mkdir(parents=True)
    (inside / "lib/elixir/ebin/elixir.app").touch()
    (inside / "VERSION").write_text("1.18.3")
    subprocess.run(["tar", "-C", str(tmp_path), "-czf", str(tmp_path / "1.18.3-otp-27.tar.gz"), "elixir"], check=True)
    served = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer((host.machine.slot.gateway, 0), served) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{host.machine.slot.gateway}:{server.server_port}/{{version}}-otp-{{otp}}.tar.gz"
        server.shutdown()


@pytest.mark.everything
def test_an_elixir_that_mix_exs_does_not_take_is_refused_before_the_build(host: Host, repository: Path) -> None:
    before = stored(host)
    mix_exs = repository / "mix.exs"
    text = mix_exs.read_text()
    mix_exs.write_text(text.replace('elixir: "~> 1.14"', 'elixir: "~> 1.99"'))
    revision = commit(repository)
    run = build(host)
    mix_exs.write_text(text)
    commit(repository)
    sentence = (
        f"mix.exs of {revision} asks for Elixir ~> 1.99, and stage would be built with 1.18.3 (this host's, Debian 13)"
    )
    assert (run.exit_code, sentence in run.output, stored(host)) == (2, True, before), run.output


@pytest.mark.everything
def test_an_elixir_of_the_data_is_built_once(host: Host, repository: Path, elixir_source: str) -> None:
    """Without its checksum a build is refused, and `make toolchain` shows it; with it the next build does everything."""
    host.project.edit(
        "stage", elixir_version="1.18.3", elixir_source=elixir_source, build_commands=["command -v mix elixir"]
    )
    refused = build(host)
    assert (refused.exit_code, "stage has no elixir_sha256: make toolchain ENV=stage" in refused.output) == (2, True)
    shown = host.project.make("toolchain", "ENV=stage").require_success()
    found = re.search(r'elixir_sha256 = "([0-9a-f]{64})"', shown.output)
    assert found, shown.output
    assert host.machine.run("ls /opt/toolchains").stdout == ""
    host.project.edit("stage", elixir_sha256=found[1])
    run = build(host, REBUILD="1", VERBOSE="1").require_success()
    directory = host.machine.run("echo /opt/toolchains/*").stdout.strip()
    assert f"the toolchain is in {directory}" in run.output
    assert f"{directory}/bin/mix" in run.output
    assert host.machine.run(f"find {directory} ! -user root -o -perm /022 ! -type l").stdout == ""
    assert host.machine.run("ls /var/cache/private").stdout == ""
    assert "make toolchain" not in host.project.make("toolchain", "ENV=stage").require_success().output
    host.project.edit("stage", elixir_version=None, elixir_source=None, elixir_sha256=None, build_commands=None)
    drift = host.project.make("drift", "ENV=stage")
    assert f"rm -rf {directory}*" in drift.output


@pytest.mark.everything
def test_a_toolchain_from_elsewhere(host: Host, repository: Path) -> None:
    """An archive by URL, used only if its checksum is the one that was set; its bin comes first."""
    machine = host.machine
    mix = '#!/bin/sh\necho toolchain >&2\nexec /usr/bin/mix "$@"\n'
    machine.run("mkdir -p /srv/toolchain/bin && cd /srv/toolchain && cat > bin/mix && chmod +x bin/mix", stdin=mix)
    machine.run("tar -C /srv/toolchain -czf /srv/toolchain.tar.gz bin")
    digest = machine.run("sha256sum < /srv/toolchain.tar.gz").stdout.split()[0]
    directory = f"/opt/toolchains/{digest}"
    machine.run(f"mkdir -p /opt/toolchains && cp /srv/toolchain.tar.gz {directory}.tar.gz")
    host.project.edit(
        "stage",
        toolchain="https://downloads.example.com/elixir.tar.gz",
        toolchain_sha256=digest,
        build_commands=["mix --version"],
    )
    run = build(host, VERBOSE="1")
    host.project.edit("stage", toolchain=None, toolchain_sha256=None, build_commands=None)
    assert (run.exit_code, "[stage] toolchain" in run.output) == (0, True), run.output
