"""Building a release, with a stand-in for mix."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import build
from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.sample import sample

REVISION = "0123456789abcdef0123456789abcdef01234567"
STAMPED = "0.2.0+20260201-main-0123456"

# What the program needs of Elixir: what mix.exs says, and FOUND of the secrets in the release. TOLD is what mix.exs says
# besides its version; it may print.
ELIXIR = """\
[ "${1##*/}" != build-stage.secrets.exs ] || { [ -z "$FOUND" ] || echo "$FOUND"; exit; }
echo "version=from mix.exs"
[ "${1##*/}" = build-stage.exs ] || exit 3
printf '%s\\n' "version=$(sed -n 's/.* version: "\\(.*\\)",/\\1/p' mix.exs)" app=billing elixir=1.18.3 "$TOLD" > "$2"
"""

# And of mix: a release. MIX_VERSION is one that mix.exs sets of its own. From OTP 25 on, the table of Distillery's release
# gets into OTP's own directory. OLD is a Distillery before 2.1, with the OTP of its time.
MIX = """\
echo "mix $*" >> ../calls
version=$(sed -n 's/.* version: "\\(.*\\)",/\\1/p' mix.exs)
case $1 in
release)
    [ -n "$OLD" ] || version=$4
    release "${MIX_VERSION:-$version}"
    [ -z "$OLD" ] || echo "the table of $OLD" > "$made/releases/RELEASES"
    ;;
distillery.release)
    if [ -n "$OLD" ]; then
        echo '** (Mix) The task "distillery.release" could not be found'
        exit 1
    fi
    release "${MIX_VERSION:-$version}"
    [ ! -d "$OTP_RELEASES" ] || echo "the table of OTP" > "$OTP_RELEASES/RELEASES"
    ;;
esac
"""

# $1: version
RELEASE = """\
release() {
    made=_build/$MIX_ENV/rel/${RELEASE:-billing}
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
        self.otp = sandbox.directory / "otp"
        self.otp.mkdir()
        (self.source / "config").mkdir(parents=True)
        (self.source / "lib").mkdir()
        (self.source / "lib" / "billing.ex").touch()
        (self.source / "mix.exs").write_text('  app: :billing,\n  version: "0.2.0",\n')
        self.program.write_text(program.text("build.sh"))
        self.program.chmod(0o755)
        Path(f"{self.program}.exs").touch()
        # As the unpacked sources leave it.
        (self.source.parent / "kept").write_text("deps\n_build\n")
        # The last word counts.
        here = f"toolchain_path={sandbox.bin}:\nsecrets={self.secrets}\n"
        Path(f"{self.program}.conf").write_text(build._conf(settings) + here)
        sandbox.stub("elixir", ELIXIR)
        sandbox.stub("mix", f"{RELEASE}{MIX}")
        sandbox.stub("date", '[ "$*" = "-u +%Y%m%d" ] && echo 20260201')

    def build(self, *told: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """A build.

        + told: lines that mix.exs says
        + variables: for the program and the stand-ins
        """
        return subprocess.run(
            [self.program], cwd=self.source, env=self._given(told) | variables, capture_output=True, text=True, check=False,
            timeout=60,
        )  # fmt: skip

    def start(self) -> "subprocess.Popen[bytes]":
        """A build that the test interrupts, in a process group of its own."""
        return subprocess.Popen(
            [self.program], cwd=self.source, env=self._given(()), stdout=subprocess.DEVNULL, start_new_session=True
        )

    def _given(self, told: tuple[str, ...]) -> dict[str, str]:
        given = {"REVISION": REVISION, "BRANCH": "main", "TAKEN": "", "WITH_ERTS": "yes"}
        return given | {"OTP_RELEASES": str(self.otp), "TOLD": "\n".join(told)}

    def calls(self) -> list[str]:
        return (self.source.parent / "calls").read_text().splitlines()

    def read(self, name: str) -> str:
        """A file of the tarball."""
        with tarfile.open(self.source.parent / "release.tar.gz") as archive:
            file = archive.extractfile(name)
            assert file
            return file.read().decode()

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
    assert [re.sub(r"\d+ s$", "N s", line) for line in done.stdout.splitlines()[1:]] == [
        f"Building {STAMPED} with release …", f"Building {STAMPED} with release … N s",
        "Packing the release …", "Packing the release … N s", f"Built {STAMPED}",
    ]  # fmt: skip
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


def test_a_version_has_one_plus(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    (place.source / "mix.exs").write_text('  app: :billing,\n  version: "0.2.0+dev",\n')
    assert place.build().stdout.splitlines()[-1] == "Built 0.2.0+dev.20260201-main-0123456"


def test_distillery_takes_the_version_of_mix_exs(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    done = place.build()
    assert (done.returncode, done.stderr) == (0, "")
    assert place.calls()[-1] == "mix distillery.release --env=stage --no-tar"
    assert f'version: "{STAMPED}",' in (place.source / "mix.exs").read_text()
    assert (place.source / "config" / place.secrets.name).readlink() == place.secrets


def test_the_table_of_a_distillery_release_is_brought_from_otp(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    assert place.build().returncode == 0
    assert place.read("./releases/RELEASES") == "the table of OTP\n"


def test_a_distillery_release_without_a_table_is_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    failed(place, place.build(OTP_RELEASES=""), "Erlang wrote no releases/RELEASES, ")


def test_distillery_before_2_1(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery", release_name="demo")
    place.secrets.write_text("secret")
    done = place.build(OLD="Distillery 1.5", OTP_RELEASES="", RELEASE="demo")
    assert done.returncode == 0, done.stdout
    assert place.calls()[-1] == "mix release --env=stage --no-tar --name=demo"
    assert place.read("./releases/RELEASES") == "the table of Distillery 1.5\n"


@pytest.mark.parametrize("old", ["", "Distillery 1.5"])
def test_each_tarball_has_one_version_of_distillery(scratch: Callable[..., Scratch], old: str) -> None:
    place = scratch(release_tool="distillery")
    place.secrets.write_text("secret")
    for number in range(3):
        (place.source / "mix.exs").write_text(f'  app: :billing,\n  version: "0.{number}.0",\n')
        former = place.source / f"_build/stage/rel/billing/releases/{number}-of-before"
        former.mkdir(parents=True)
        (former / "sys.config").write_text("the password of before")
        assert place.build(OLD=old).returncode == 0
        assert not [name for name in place.built() if "of-before" in name]


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
    (place.source / "mix.exs").write_text('  @version "0.9.9"\n  app: :billing, version: "0.2.0",\n')
    place.sandbox.stub("elixir", 'echo version=0.9.9 > "$2"')
    failed(place, place.build(), 'mix.exs has no line version: "0.9.9", which the build could stamp')


def test_dependencies_are_fetched_and_build_commands_run_in_order(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_commands=['echo it\\\'s "$MIX_ENV" >> ../calls', "mix assets.deploy"])
    (place.source / "mix.lock").touch()
    done = place.build()
    assert done.returncode == 0, done.stdout
    assert place.calls()[:6] == [
        "mix local.hex --force --if-missing",
        "mix local.rebar --force --if-missing",
        "mix deps.get --only prod",
        "mix deps.loadpaths",
        "it's prod",
        "mix assets.deploy",
    ]
    assert [line for line in done.stdout.splitlines() if line.endswith(" …")][:4] == [
        "Fetching dependencies …", "Compiling dependencies …", "+ echo it\\'s \"$MIX_ENV\" >> ../calls …",
        "+ mix assets.deploy …",
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
    assert (done.returncode, done.stdout.splitlines()[-1], place.built()) == (1, "** (Mix)", [])


def test_no_step_evaluates_the_configuration_of_a_running_release(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_commands=["mix assets.deploy"])
    (place.source / "mix.lock").touch()
    assert place.build().returncode == 0
    assert not [call for call in place.calls() if call.startswith(("mix run", "mix app.", "mix eval"))]


def test_a_mix_exs_that_raises_is_shown_with_its_own_words(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    place.sandbox.stub("elixir", 'echo "** (RuntimeError) boom" >&2\nexit 1')
    done = place.build()
    assert done.stderr == "** (RuntimeError) boom\n"
    failed(
        place, done, "mix.exs cannot be read, for the reason above: MIX_ENV=prod mix help shows it in a fresh checkout"
    )


def test_a_checkout_without_a_version_is_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    place.sandbox.stub("elixir", 'echo version= > "$2"')
    failed(place, place.build(), "mix.exs has no version: add version: to its project, or to its release billing")


def test_an_elixir_that_is_too_old_is_named_before_anything_is_fetched(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    (place.source / "mix.lock").touch()
    done = place.build("required=~> 1.19", "outdated=true")
    failed(
        place, done, "mix.exs asks for Elixir ~> 1.19, and this host has 1.18.3: set elixir_version to a matching one"
    )
    assert not (place.source.parent / "calls").exists()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            ["releases=demo"],
            'mix.exs has the release demo, and group data expects main: set release_name = "demo" in group_data/all.py',
        ),
        (
            ["releases=demo other"],
            "mix.exs has the releases demo other, and group data expects billing: set release_name in group_data/all.py to",
        ),
        (
            ["app=demo"],
            'mix.exs names no release, so it is called demo, and group data expects billing: set release_name = "demo" in',
        ),
        (
            ["umbrella=apps"],
            "mix.exs of an umbrella must name the release and its applications: releases: [billing: [applications: "
            "[billing_web: :permanent]]]",
        ),
    ],
)
def test_a_release_of_another_name_is_refused_with_the_line_for_group_data(
    scratch: Callable[..., Scratch], told: list[str], reason: str
) -> None:
    place = scratch(**({"release_name": "main"} if "expects main" in reason else {}))
    place.sandbox.stub("elixir", 'printf "%s\\n" version=0.2.0 "$TOLD" > "$2"')
    failed(place, place.build(*told), reason)
    assert not (place.source.parent / "calls").exists()


def test_the_only_release_of_mix_exs_needs_no_setting(scratch: Callable[..., Scratch]) -> None:
    """The host calls its script by the application's name."""
    place = scratch()
    done = place.build("releases=demo", RELEASE="demo")
    assert done.returncode == 0, done.stdout
    assert place.calls()[-1] == f"mix release --overwrite --version {STAMPED} demo"
    made = place.source / "_build/prod/rel/demo/bin"
    (made / "demo").write_text('#!/bin/sh\necho "$0 $*"\n')
    (made / "demo").chmod(0o755)
    (place.source / "link").symlink_to(made.parent)
    script = place.source / "link/bin/billing"
    said = subprocess.run([script, "eval", "1 + 1"], capture_output=True, text=True, check=True)
    assert said.stdout == f"{made.resolve()}/demo eval 1 + 1\n"


def test_a_release_with_a_name_of_its_own_is_built_by_it(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_name="demo")
    done = place.build("releases=other demo", RELEASE="demo")
    assert done.returncode == 0, done.stdout
    assert place.calls()[-1] == f"mix release --overwrite --version {STAMPED} demo"
    assert "./bin/billing" in place.built()


def test_distillery_is_told_the_name_of_the_release(scratch: Callable[..., Scratch]) -> None:
    place = scratch(release_tool="distillery", release_name="demo")
    place.secrets.write_text("secret")
    assert place.build(RELEASE="demo").returncode == 0
    assert place.calls()[-1] == "mix distillery.release --env=stage --no-tar --name=demo"


def test_an_application_in_a_directory_of_its_repository_is_built_there(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_directory="services/billing")
    inside = place.source / "services/billing"
    inside.mkdir(parents=True)
    failed(
        place,
        place.build(),
        "there is no mix.exs in services/billing: set build_directory to the application's directory",
    )
    shutil.move(place.source / "mix.exs", inside / "mix.exs")
    place.sandbox.stub("mix", f"{RELEASE}{MIX}".replace("../calls", "../../../calls"))
    done = place.build()
    assert done.returncode == 0, done.stdout
    assert (inside / "_build").is_dir()
    assert "./bin/billing" in place.built()


def test_a_repository_without_mix_exs_at_its_top_names_the_directories_with_one(
    scratch: Callable[..., Scratch],
) -> None:
    place = scratch()
    for name in ("backend", "deps/other"):
        (place.source / name).mkdir(parents=True)
        (place.source / name / "mix.exs").touch()
    (place.source / "mix.exs").unlink()
    done = place.build()
    failed(place, done, "there is no mix.exs in the repository: ")
    assert done.stdout.endswith("(there are: backend/mix.exs)\n")


def test_a_build_directory_that_is_missing_is_named(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_directory="backend")
    failed(place, place.build(), "the repository has no directory backend: build_directory names the application's")


def test_dependencies_without_a_lock_file_are_refused(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    failed(
        place,
        place.build("fetches=true"),
        "mix.exs has dependencies and there is no mix.lock: run mix deps.get in the ",
    )
    (place.source / "deps").mkdir()
    assert place.build("fetches=true").returncode == 0


STEPS = ("release", "local.hex", "deps.get", "assets.deploy")

# By the words of a tool: those of the program.
REMEDIES = {
    "** (Mix) Could not find application :os_mon": (
        "the application os_mon is not on this host: it belongs into deps, or into build_packages as Debian's package "
        "erlang-os-mon"
    ),
    '** (System.EnvError) could not fetch environment variable "STRIPE_KEY" because it is not set': (
        "the configuration asks for the variable STRIPE_KEY while it is compiled, and only the running application "
    ),
    '** (Mix) "make" not found in the path. If you have set the MAKE environment variable, please check it': (
        "the build needs the program make: add Debian's package make to build_packages"
    ),
    '\u2718 [ERROR] Could not resolve "phoenix-colocated/billing"': (
        'LiveView\'s compiler writes a part of the JavaScript: put "mix compile" before the other build_commands'
    ),
    '** (File.Error) could not read file "/x/source/config/stage.exs": no such file or directory': (
        "the configuration imports config/stage.exs, which is not in the repository: set mix_env to an environment "
    ),
    "make: g++: No such file or directory": (
        "the build needs the program g++: add Debian's package g++ to build_packages"
    ),
    "/bin/sh: 1: node: not found": ("the build needs the program node: add Debian's package nodejs to build_packages"),
    "==> Invalid application `:sasl`! The file sasl.app does not exist or cannot be loaded.": (
        "Elixir 1.15 and later hide Erlang's applications from Distillery: add prune_code_paths: false to the project "
    ),
}


@pytest.mark.parametrize(
    ("words", "step"),
    sample(
        product(REMEDIES, STEPS),
        *((words, "release") for words in REMEDIES),
        *((next(iter(REMEDIES)), step) for step in STEPS),
    ),
)
def test_a_known_error_comes_with_its_remedy(scratch: Callable[..., Scratch], words: str, step: str) -> None:
    place = scratch(build_commands=["mix assets.deploy"])
    (place.source / "mix.lock").touch()
    (place.sandbox.directory / "words").write_text(f"{words}\n")
    said = f"cat {place.sandbox.directory}/words >&2; echo more; exit 1"
    place.sandbox.stub("mix", f'[ "$1" != {step} ] || {{ {said}; }}\n{RELEASE}{MIX}')
    done = place.build()
    assert words in done.stdout
    failed(place, done, REMEDIES[words])


def cookie_of(place: Scratch) -> str:
    return (place.source / "_build/prod/rel/billing/releases/COOKIE").read_text()


def test_every_build_has_the_cookie_of_the_first(scratch: Callable[..., Scratch]) -> None:
    """mix release makes another one each time, and the same revision gives the same release."""
    place = scratch()
    making = RELEASE.replace("    touch", "    date +%s%N > $made/releases/COOKIE\n    touch")
    place.sandbox.stub("date", f'exec {shutil.which("date")} "$@"')
    place.sandbox.stub("mix", f"{making}{MIX}")
    first = (place.build(), cookie_of(place))[1]
    assert (place.build(), cookie_of(place))[1] == first
    assert (place.build("cookie=given"), cookie_of(place))[1] != first


def test_a_child_of_an_umbrella_is_built_where_its_mix_exs_says(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_directory="apps/billing")
    inside = place.source / "apps/billing"
    inside.mkdir(parents=True)
    shutil.move(place.source / "mix.exs", inside / "mix.exs")
    place.sandbox.stub(
        "mix", f"{RELEASE}{MIX}".replace("../calls", "../../../calls").replace("=_build", "=../../_build")
    )
    done = place.build("build_path=../../_build/prod")
    assert done.returncode == 0, done.stdout
    assert "./bin/billing" in place.built()


@pytest.mark.parametrize(("count", "said"), [(0, ""), (1, " (1 warning: "), (12, " (12 warnings: ")])
def test_a_step_counts_its_warnings(scratch: Callable[..., Scratch], count: int, said: str) -> None:
    place = scratch()
    warnings = 'for n in $(seq "$COUNT"); do echo "    warning: unused $n"; done\n'
    place.sandbox.stub("mix", f"{warnings}{RELEASE}{MIX}")
    lines = place.build(COUNT=str(count)).stdout.splitlines()
    assert [line for line in lines if re.fullmatch(rf"Building .* … \d+ s{re.escape(said)}.*", line)], lines
    assert ("VERBOSE=1 shows" in "".join(lines)) == (count > 0)


def test_a_step_that_the_kernel_ends_names_the_limit(scratch: Callable[..., Scratch]) -> None:
    place = scratch(build_commands=["exit 137"])
    done = place.build()
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FAILED: the kernel ")]
    assert "ended bash, as it does when memory runs out: raise build_memory_limit, or build on a host with more" in line


# --- Private dependencies --------------------------------------------------------------------------------------------

TOKEN = "t'o k\"e$n\\n%"
SECRETS = {"GITHUB_TOKEN": TOKEN, "HEX_KEY": "0123456789abcdef", "BUILD_SECRETS": "GITHUB_TOKEN HEX_KEY"}


@pytest.mark.parametrize(
    ("place", "asked", "told"),
    [
        ("github.com", "https://github.com/acme/private.git", ("x-access-token", TOKEN)),
        ("oauth2@git.example.com:8443", "https://git.example.com:8443/private.git", ("oauth2", TOKEN)),
        ("github.com", "https://gist.github.com/private.git", None),
        ("github.com", "http://github.com/private.git", None),
    ],
)
def test_git_gets_a_token_for_its_host_alone(
    scratch: Callable[..., Scratch], place: str, asked: str, told: tuple[str, str] | None
) -> None:
    """git itself asks the helper, which has the token of a variable."""
    protocol, rest = asked.split("://")
    host = rest.split("/")[0]
    question = f"printf 'protocol={protocol}\\nhost={host}\\n\\n' | git credential fill > ../answer || true"
    there = scratch(build_secrets=["GITHUB_TOKEN"], build_git_tokens={place: "GITHUB_TOKEN"}, build_commands=[question])
    done = there.build(GIT_ASKPASS="", **SECRETS)
    assert done.returncode == 0, done.stdout
    answer = (there.source.parent / "answer").read_text().splitlines()
    assert [line for line in answer if line.startswith(("username", "password"))] == (
        [f"username={told[0]}", f"password={told[1]}"] if told else []
    )
    assert TOKEN not in Path(f"{there.program}.conf").read_text()


def test_ssh_takes_the_deploy_key_and_the_known_hosts_alone(scratch: Callable[..., Scratch], tmp_path: Path) -> None:
    there = scratch(build_commands=['printf "%s\\n" "$GIT_SSH_COMMAND" > ../answer'])
    (tmp_path / "deploy_key").touch()
    assert there.build(CREDENTIALS_DIRECTORY=str(tmp_path)).returncode == 0
    words = (there.source.parent / "answer").read_text().split()
    assert words[:5] == ["ssh", "-F", "none", "-i", f"'{tmp_path}/deploy_key'"]
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", f"UserKnownHostsFile='{there.program}.known_hosts'"} < set(
        words
    )


def test_hex_gets_its_keys_before_dependencies_are_fetched(scratch: Callable[..., Scratch]) -> None:
    fingerprint = f"SHA256:{'A' * 43}"
    there = scratch(
        build_secrets=["HEX_KEY"],
        build_hex_organizations={"acme": "HEX_KEY"},
        build_hex_repositories={"oban": f"https://repo.example.com {fingerprint} HEX_KEY"},
    )
    (there.source / "mix.lock").touch()
    mix = f'{{ echo "mix $*"; echo "$XDG_CONFIG_HOME"; }} >> {there.source.parent}/calls\n'
    there.sandbox.stub("mix", mix + RELEASE + MIX.replace('echo "mix $*" >> ../calls\n', "[ $1 != run ] || exit 0\n"))
    private = there.sandbox.directory / "private"
    private.mkdir()
    done = there.build(RUNTIME_DIRECTORY=str(private), **SECRETS)
    assert done.returncode == 0, done.stdout
    calls = there.calls()
    assert calls[calls.index("mix deps.get --only prod") - 2].split(" ", 3)[:3] == ["mix", "run", "--no-mix-exs"]
    assert (
        f"organization acme HEX_KEY repository oban https://repo.example.com {fingerprint} HEX_KEY"
        in calls[calls.index("mix deps.get --only prod") - 2]
    )
    assert calls[calls.index("mix deps.get --only prod") + 1] == f"{private}/config"
    assert SECRETS["HEX_KEY"] not in "\n".join(calls)


@pytest.mark.parametrize(
    ("shared", "found", "reason"),
    [
        ([], "", None),
        ([], "GITHUB_TOKEN releases/0.2.0/sys.config", "the release has the value of GITHUB_TOKEN in it, in releases/"),
        (["GITHUB_TOKEN"], "GITHUB_TOKEN releases/0.2.0/sys.config", None),
        (["HEX_KEY"], "GITHUB_TOKEN x y", "the release has the value of GITHUB_TOKEN in it, in x y: "),
    ],
)
def test_a_release_with_a_secret_of_the_build_in_it_is_refused(
    scratch: Callable[..., Scratch], shared: list[str], found: str, reason: str | None
) -> None:
    there = scratch(build_secrets=["GITHUB_TOKEN", "HEX_KEY"], secret_variables=shared)
    done = there.build(FOUND=found, **SECRETS)
    if reason:
        failed(there, done, reason)
        return
    assert done.returncode == 0, done.stdout
    notes = there.source.parent / "notes"
    assert (notes.read_text() if notes.exists() else "") == ("secrets=built in\n" if found else "")


def test_former_versions_are_not_in_the_release(scratch: Callable[..., Scratch]) -> None:
    place = scratch()
    former = place.source / "_build/prod/rel/billing/releases/0.1.0"
    former.mkdir(parents=True)
    assert place.build().returncode == 0
    assert "./releases/0.1.0" not in place.built()


@pytest.mark.parametrize(
    ("settings", "configuration", "noted"),
    [
        ({}, '[{billing,[{secret_key_base,<<"a long word of its own">>}]}].', True),
        ({}, "[{billing,[{port,4000}]}].", False),
        ({"release_tool": "distillery"}, "[].", True),
    ],
)
def test_a_release_with_the_secrets_in_it_is_noted(
    scratch: Callable[..., Scratch], settings: dict[str, Any], configuration: str, *, noted: bool
) -> None:
    place = scratch(**settings)
    place.secrets.write_text('config :billing, BillingWeb.Endpoint,\n  secret_key_base: "a long word of its own"\n')
    making = RELEASE.removesuffix("}\n")
    making += f"mkdir -p $made/releases/$1; printf '%s' '{configuration}' > $made/releases/$1/sys.config\n}}\n"
    place.sandbox.stub("mix", f"{making}{MIX}")
    notes = place.source.parent / "notes"
    notes.write_text("of the build before\n")
    done = place.build()
    assert done.returncode == 0, done.stdout
    assert (place.source / "config" / place.secrets.name).readlink() == place.secrets
    assert (notes.read_text() if notes.exists() else "") == ("secrets=built in\n" if noted else "")


def test_each_application_of_an_umbrella_has_its_sources(scratch: Callable[..., Scratch]) -> None:
    place = scratch(include_src=True)
    shutil.rmtree(place.source / "lib")
    for name in ("billing", "absent"):
        (place.source / f"apps/{name}/lib").mkdir(parents=True)
        (place.source / f"apps/{name}/lib/{name}.ex").touch()
    assert place.build("umbrella=apps", "releases=billing").returncode == 0
    assert [name for name in place.built() if name.endswith(".ex")] == ["./lib/billing-0.2.0/src/lib/billing.ex"]


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
