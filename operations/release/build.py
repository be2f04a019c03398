"""Build of a release on a host: sources, compilation, and the tarball's way to the store or this computer."""

import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyinfra
from pyinfra import logger
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.operations import files

from group_data.schema.environment import Environment
from group_data.schema.version import is_version
from operations import machine
from operations.host import file, program, progress
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import artifacts, history, pin, tarball, toolchain
from operations.release.artifacts import UPLOADS, Artifact, in_store
from operations.release.build_access import Access
from operations.release.source import MAIN, RECIPE, Source

# The last line of a build.
_BUILT = re.compile(r"^Built (\S+)$", re.MULTILINE)


@dataclass
class Result:
    """The version that the run leaves in the store.

    + version: known before the run, or empty until it is built
    """

    version: str


# Programs that decide about a build's content.
_BUILDING = ("build.sh", "read_project.exs", "find_secrets.exs", "unpack_sources.sh")

# Note of a build that began with nothing (run_build.sh).
ANEW = "anew"

# Seconds: a first build compiles all dependencies.
PATIENCE = 3600

# Seconds between two lines about a step that goes on, on a terminal.
PAUSE = 10


def _conf(environment: Environment) -> str:
    tool = environment.tool
    return render(
        "build.conf.j2",
        environment=environment,
        toolchain_path=toolchain.search_path(environment),
        assembled=tool.assembled.format(mix_env=environment.mix_env, release=environment.release),
        assemble=[word.replace("{environment}", environment.environment) for word in tool.build.split()],
    )


def recipe(environment: Environment) -> str:
    """SHA-256 of everything but the sources that decides about a build: programs, settings, and how sources are taken.

    The same revision and recipe give the same build, in another environment too. So the path of the secret file is left out:
    a build that has secrets in it is never used again. And so are the keys for private dependencies.

    + environment: environment of the build
    """
    left_out = ("secrets=", "hex_access=", "git_tokens=")
    settings = [line for line in _conf(environment).splitlines() if not line.startswith(left_out)]
    return sha256("\0".join([RECIPE, *map(program.text, _BUILDING), *settings]).encode()).hexdigest()


def install_program(environment: Environment) -> None:
    """Install the build program of this repository on the host, with its settings beside it.

    + environment: environment of the build
    """
    known_hosts = "".join(f"{line}\n" for line in environment.build_known_hosts)
    for name, path, content, mode in (
        ("Build: settings", environment.build_conf_path, _conf(environment), "644"),
        (
            "Build: program that reads mix.exs",
            environment.project_program_path,
            program.text("read_project.exs"),
            "644",
        ),
        (
            "Build: program that finds secrets",
            environment.secrets_program_path,
            program.text("find_secrets.exs"),
            "644",
        ),
        ("Build: program that gives Hex keys", environment.hex_program_path, program.text("hex_access.exs"), "644"),
        ("Build: public keys of git servers", environment.known_hosts_path, known_hosts, "644"),
        (
            "Build: program for the output",
            environment.build_output_program_path,
            program.text("build_output.pl"),
            "755",
        ),
        ("Build: program", environment.build_program_path, program.text("build.sh"), "755"),
    ):
        file.put(name=name, content=content, dest=path, mode=mode)


def user(environment: Environment) -> None:
    """Create the user that builds, with a group of its own. Nobody logs in as it, and no application runs as it.

    + environment: environment of the build
    """
    name = environment.build_user
    machine.group(name="Build: group", group=name)
    machine.account(
        name="Build: user", user=name, home=f"{environment.build_path}/scratch", shell=machine.NO_LOGIN, group=name
    )


def send_sources(environment: Environment, source: Source) -> str:
    """Send the sources to a private directory of the build host. Returns the path, relative to the SSH user's home.

    + environment: environment of the build
    + source: sources of the revision
    """
    arrived = f"{UPLOADS}/{environment.full_name}-{source.archive.name}"
    files.directory(name="Build: directory for uploads", path=UPLOADS, mode="700", _sudo=False)
    files.put(name="Build: sources", src=str(source.archive), dest=arrived, mode="600", _sudo=False)
    return arrived


def find_known(environment: Environment, source: Source, store: str, distribution: str) -> Artifact | None:
    """A tarball of the same revision and recipe, which makes a build unnecessary; None without one.

    A tarball with secrets in it, as Distillery's, never counts: they may have changed, or be another environment's. Nor does
    one of another branch, the main branch aside: who may have a branch built chooses what the builds of that branch leave to
    the next.

    + environment: environment of the build
    + source: sources of the revision
    + store: directory of tarballs
    + distribution: of the host, such as Debian 13
    """
    if not environment.secrets_read_at_start:
        return None
    facts = (source.revision, distribution, environment.built_for, recipe(environment))
    trusted = {source.ref, ANEW, MAIN}
    for artifact in in_store(environment, store):
        if artifact[3:7] == facts and artifact.secrets == "-" and artifact.ref in trusted:
            return artifact
    return None


def find_elsewhere(
    environment: Environment, neighbours: Iterable[Environment], source: Source, store: str, distribution: str
) -> tuple[Artifact, str] | None:
    """A tarball as in `find_known` that other environments of the machine have, and its store; None without one.

    A version that the environment has already with other content does not count.

    + environment: environment of the build
    + neighbours: other environments of the machine
    + source: sources of the revision
    + store: the environment's own directory of tarballs
    + distribution: of the host, such as Debian 13
    """
    taken = {artifact.version for artifact in in_store(environment, store)} | set(history.read(environment).present)
    for other in neighbours:
        if (other.app, other.built_for, recipe(other)) != (environment.app, environment.built_for, recipe(environment)):
            continue
        for directory in (other.artifacts_path, other.build_store_path):
            known = find_known(environment, source, directory, distribution)
            if known and known.version not in taken:
                return known, directory
    return None


def take(environment: Environment, artifact: Artifact, store: str, into: str) -> None:
    """Take a tarball that another environment of the machine has, instead of building it.

    + environment: environment of the build
    + artifact: the tarball
    + store: directory of tarballs that has it
    + into: directory of tarballs that gets it
    """
    announce(f"Will take {artifact.version} from {store}, which is the same build")
    artifacts.take(name="Build: tarball", environment=environment, artifact=artifact, store=store, into=into)


@operation(is_idempotent=False)
def renew(environment: Environment, artifact: Artifact, store: str) -> Generator[StringCommand]:
    """Make a tarball the newest of the store, as if it had just been built.

    + environment: environment of the tarball
    + artifact: the tarball
    + store: directory of tarballs
    """
    if pyinfra.state.is_executing or pyinfra.state.config.DIFF:
        pyinfra.host.log(f"Built already: {artifact.version}. REBUILD=1 builds it anew", logger.info)
    yield program.command("renew_artifact.sh", f"{store}/{environment.tarball_name(artifact.version)}")


def limits(environment: Environment) -> list[str]:
    """Options of systemd-run that keep a build from harming the applications beside it.

    + environment: environment of the build
    """
    weight = environment.build_cpu_weight
    # The kernel ends a build before an application or PostgreSQL when the machine has no memory left.
    settings = [f"CPUWeight={weight}", f"IOWeight={weight}", "OOMScoreAdjust=500"]
    if environment.build_memory_limit:
        settings += [f"MemoryMax={environment.build_memory_limit}M", "MemorySwapMax=0"]
    return [f"--property={setting}" for setting in settings]


def sandbox(environment: Environment) -> list[str]:
    """Options of systemd-run that show a build its own directory, the system and the network, and no application.

    The unix user is the build's own. It may read this environment's secret file, which a Distillery release has built in.

    + environment: environment of the build
    """
    settings = [
        "ProtectSystem=strict",
        "ProtectHome=tmpfs",
        "TemporaryFileSystem=/home:ro /root:ro /run/user:ro /var/cache:ro /dev/shm:mode=1777,nosuid,nodev",
        f"BindPaths={environment.build_path}/scratch",
        "InaccessiblePaths=-/run/dbus -/run/log/journal -/var/log/journal -/run/postgresql "
        # What it says goes through build_output.pl, which has a limit.
        "-/run/systemd/journal",
        # What counts for root as well in a user namespace of its own.
        "SystemCallFilter=~inotify_init:EMFILE inotify_init1:EMFILE",
        "LimitSIGPENDING=1024",
        "LimitMSGQUEUE=98304",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        "KeyringMode=private",
        "RestrictRealtime=yes",
        *(f"Private{thing}=yes" for thing in ("Tmp", "Devices", "IPC", "Users")),
        *(f"Protect{thing}=yes" for thing in ("Clock", "ControlGroups", "Hostname")),
        *(f"ProtectKernel{thing}=yes" for thing in ("Logs", "Modules", "Tunables")),
        "ProtectProc=invisible",
    ]
    return [f"--property={setting}" for setting in settings]


@operation(is_idempotent=False)
def run(
    environment: Environment,
    source: Source,
    arrived: str,
    store: str,
    distribution: str,
    result: Result,
    access: Access,
    verbose: bool,
) -> Generator[FunctionCommand]:
    """Build a tarball of the revision, show its steps, and store the tarball with its checksum and notes.

    + environment: environment of the build
    + source: sources of the revision
    + arrived: path of the sources, from `send_sources`
    + store: directory of tarballs
    + distribution: of the host, such as Debian 13
    + result: gets the version
    + access: secrets of the build
    + verbose: whether to show all that the commands of the build say
    """
    announce(f"Will build {environment.environment} from revision {source.revision[:7]} on {distribution}")
    arguments = [
        environment.build_unit, environment.build_program_path, environment.build_user, environment.group,
        environment.build_path, source.revision, source.branch, str(PATIENCE), store, environment.app, distribution,
        environment.built_for, recipe(environment), environment.releases_path, arrived, program.text("unpack_sources.sh"),
        environment.build_directory or ".", "all" if verbose else "steps", str(PAUSE if progress.is_seen() else 0),
        " ".join(dict.fromkeys(environment.build_secrets)), source.ref, str(environment.database_port),
        *limits(environment), *sandbox(environment),
    ]  # fmt: skip
    yield FunctionCommand(_start_and_follow, [environment, store, arguments, result, access], {})


def _start_and_follow(
    state: State, host: Host, environment: Environment, store: str, arguments: list[str], result: Result, access: Access
) -> bool:
    succeeded, output = host.run_shell_command(
        program.command("run_build.sh", *arguments), print_output=True, _sudo=True, _stdin=access.sent
    )
    if succeeded:
        # Another build may be the newest of the store by now.
        result.version = _BUILT.findall(output.stdout)[-1]
    if succeeded and pin.is_asked_for():
        built = next(artifact for artifact in in_store(environment, store) if artifact.version == result.version)
        pin.keep(version=built.version, sha256=built.sha256)
    return succeeded


@operation(is_idempotent=False)
def fetch(environment: Environment, store: str, directory: Path, result: Result) -> Generator[FunctionCommand]:
    """Fetch a tarball of the store and the files beside it to a private directory of this computer.

    + environment: environment of the tarball
    + store: directory of tarballs on the host
    + directory: directory on this computer
    + result: its version
    """
    announce(f"Will bring the tarball to {directory}")
    yield FunctionCommand(_fetch, [environment, store, directory, result], {})


def _fetch(state: State, host: Host, environment: Environment, store: str, directory: Path, result: Result) -> bool:
    # The way leads through a private directory of the SSH user. pyinfra with sudo would use a file in /tmp, and everybody
    # could read it.
    handed, output = host.run_shell_command(
        program.command("hand_over_build.sh", store, environment.tarball_name(result.version), UPLOADS), _sudo=True
    )
    if not handed:
        host.log_styled(output.stderr, fg="red", log_func=logger.error)
        return False
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    tarball_name = environment.tarball_name(result.version)
    names = [f"{tarball_name}.sha256", f"{tarball_name}.build", tarball_name]
    # A name becomes a path here, so none is taken from the host.
    if not is_version(result.version) or output.stdout.split() != names:
        text = "The host hands over other files than the tarball's: nothing was fetched"
        host.log_styled(text, fg="red", log_func=logger.error)
        return False
    for name in names:
        partial = directory / f"{name}.part"
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        host.get_file(f"{UPLOADS}/{name}", str(partial))
        partial.rename(directory / name)
    tarball.make_newest(directory / tarball_name)
    host.run_shell_command(StringCommand("rm -f", *[QuoteString(f"{UPLOADS}/{name}") for name in names]))
    tarball.read(directory / names[-1])
    host.log(f"{directory / names[-1]} is here", logger.info)
    return True
