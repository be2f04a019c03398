"""Building a release, with a stand-in for mix."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import build
from tests.unit.operations.programs.sandboxed import Sandbox

REVISION = "0123456789abcdef0123456789abcdef01234567"
STAMPED = "0.2.0+20260201-main-0123456"

# What the program needs of mix: the version in mix.exs, and a release. MIX_VERSION is one that mix.exs sets of its own.
MIX = """\
echo "mix $*" >> ../calls
version=$(sed -n 's/.* version: "\\(.*\\)",/\\1/p' mix.exs)
case $1 in
run) echo "a warning"; echo "version $version" ;;
release) release "${MIX_VERSION:-$4}" ;;
distillery.release) release "${MIX_VERSION:-$version}" ;;
esac
"""

# $1: version
RELEASE = """\
release() {
    made=_build/$MIX_ENV/rel/billing
    mkdir -p "$made/bin" "$made/releases" "$made/lib/billing-0.2.0"
    echo "15.2 $1" > "$made/releases/start_erl.data"
    touch "$made/bin/billing"
    [ -z "$WITH_ERTS" ] || mkdir -p "$made/erts-15.2"
}
"""


class Scratch:
    """The directory that an application is built in: a checkout, and a program with its settings."""

    def __init__(self, sandbox: Sandbox, settings: Environment) -> None:
        self.sandbox = sandbox
        self.program = sandbox.directory / "build-stage"
        self.source = sandbox.directory / "scratch" / "source"
        self.secrets = sandbox.directory / "stage.secret.exs"
        (self.source / "config").mkdir(parents=True)
        (self.source / "lib").mkdir()
        (self.source / "lib" / "billing.ex").touch()
        (self.source / "mix.exs").write_text('  app: :billing,\n  version: "0.2.0",\n')
        self.program.write_text(program.text("build.sh"))
        self.program.chmod(0o755)
        # The last word counts.
        here = f"scratch={self.source.parent}\ntoolchain_path={sandbox.bin}:\nsecrets={self.secrets}\n"
        Path(f"{self.program}.conf").write_text(build._conf(settings) + here)
        sandbox.stub("mix", f"{RELEASE}{MIX}")
        sandbox.stub("date", '[ "$*" = "-u +%Y%m%d" ] && echo 20260201')

    def build(self, **variables: str) -> subprocess.CompletedProcess[str]:
        given = {"REVISION": REVISION, "BRANCH": "main", "TAKEN": "", "WITH_ERTS": "yes"} | variables
        return subprocess.run(
            [self.program], cwd=self.source, env=given, capture_output=True, text=True, check=False, timeout=60
        )

    def calls(self) -> list[str]:
        return (self.source.parent / "calls").read_text().splitlines()

    def built(self) -> list[str]:
        """Names in the tarball; none without one."""
        tarball = self.source.parent / "release.tar.gz"
        if not tarball.exists():
            return []
        with tarfile.open(tarball) as archive:
            return sorted(archive.getnames())


@pytest.fixture
def scratch(sandbox: Sandbox, environment: Callable[..., Environment]) -> Callable[..., Scratch]:
    """A directory to build in, from settings of the environment."""

    def make(**settings: Any) -> Scratch:
        return Scratch(sandbox, environment(**settings))

    return make


def test_a_release_gets_its_version_from_date_branch_and_revision(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    done = place.build()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"Building {STAMPED} with release", f"Built {STAMPED}"]
    assert place.calls()[-1] == f"mix release --overwrite --version {STAMPED}"
    assert {"./bin/billing", "./releases/start_erl.data", "./erts-15.2"} < set(place.built())
    assert not list(place.source.parent.glob("*.part"))


@pytest.mark.parametrize(
    ("variables", "version"),
    [
        ({"BRANCH": ""}, "0.2.0+20260201-0123456"),
        ({"TAKEN": f"0.1.0 {STAMPED}"}, f"{STAMPED}.2"),
        ({"TAKEN": f"{STAMPED}.2 {STAMPED}"}, f"{STAMPED}.3"),
        ({"TAKEN": f"{STAMPED}.2 {STAMPED}-of-another"}, STAMPED),
    ],
)
def test_no_version_is_built_twice(scratch: Callable[..., Scratch], variables: dict[str, str], version: str) -> None:
    assert scratch().build(**variables).stdout.splitlines()[-1] == f"Built {version}"


def test_distillery_takes_the_version_of_mix_exs(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    done = place.build()
    assert (done.returncode, done.stderr) == (0, "")
    assert place.calls()[-1] == "mix distillery.release --env=stage"
    assert f'version: "{STAMPED}",' in (place.source / "mix.exs").read_text()
    assert (place.source / "config" / place.secrets.name).readlink() == place.secrets


def test_distillery_needs_the_secrets(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    failed(place, place.build(), f"Distillery builds the secrets in, and {place.secrets} cannot be read on this host: ")


def failed(place: Scratch, done: subprocess.CompletedProcess[str], reason: str) -> None:
    """Nothing was built, and the last line says why."""
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith(f"FAILED: {reason}")
    assert place.built() == []


def test_a_version_that_distillery_would_not_find_is_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    (place.source / "mix.exs").write_text('  @version "0.2.0"\n  app: :billing, version: "0.2.0",\n')
    place.sandbox.stub("mix", "echo 'version 0.9.9'")
    failed(place, place.build(), 'mix.exs has no line version: "0.9.9", which the build could stamp')


def test_dependencies_are_fetched_and_build_commands_run_in_order(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_commands=['echo it\\\'s "$MIX_ENV" >> ../calls', "mix assets.deploy"])
    (place.source / "mix.lock").touch()
    done = place.build()
    assert done.returncode == 0, done.stdout
    assert place.calls()[:5] == [
        "mix local.hex --force --if-missing",
        "mix local.rebar --force --if-missing",
        "mix deps.get --only prod",
        "it's prod",
        "mix assets.deploy",
    ]
    assert done.stdout.splitlines()[:3] == [
        "Fetching dependencies", "+ echo it\\'s \"$MIX_ENV\" >> ../calls", "+ mix assets.deploy",
    ]  # fmt: skip


def test_a_build_command_that_fails_is_named(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_commands=["false", "touch ../second"])
    failed(place, place.build(), "build_commands: false failed, for the reason above")
    assert not (place.source.parent / "second").exists()


@pytest.mark.parametrize("command", ["deps.get", "release"])
def test_where_mix_fails_nothing_is_built(scratch: Callable[..., Scratch], command: str) -> None:
    place = scratch()
    (place.source / "mix.lock").touch()
    place.sandbox.stub("mix", f'[ "$1" != {command} ] || {{ echo "** (Mix)" >&2; exit 1; }}\n{RELEASE}{MIX}')
    done = place.build()
    assert (done.returncode, done.stderr, place.built()) == (1, "** (Mix)\n", [])


def test_a_checkout_without_a_version_is_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    place.sandbox.stub("mix", "exit 1")
    failed(place, place.build(), "mix run cannot tell the version in mix.exs: ")


def test_a_release_that_boots_another_version_is_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    failed(place, place.build(MIX_VERSION="9.9.9"), f"the release boots 9.9.9, not {STAMPED}: ")


@pytest.mark.parametrize(
    ("included", "found", "reason"),
    [
        (True, "", "the Erlang runtime is not in the release: "),
        (False, "yes", "the Erlang runtime is in the release: "),
    ],
)
def test_the_runtime_is_in_the_release_as_the_settings_say(
    scratch: Callable[..., Scratch], *, included: bool, found: str, reason: str
) -> None:
    place = scratch(include_erts=included)
    failed(place, place.build(WITH_ERTS=found), reason)
    shutil.rmtree(place.source / "_build")
    assert place.build(WITH_ERTS="" if found else "yes").returncode == 0


def test_sources_are_in_the_release_where_the_settings_say_so(scratch: Callable[..., Scratch]) -> None:
    place = scratch(include_src=True)
    assert place.build().returncode == 0
    assert "./lib/billing-0.2.0/src/lib/billing.ex" in place.built()
