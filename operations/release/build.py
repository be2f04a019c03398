"""Build of a release on a host: toolchain, sources, compilation, and the tarball's way to the store or this computer."""

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
from pyinfra.facts.files import Directory
from pyinfra.operations import files

from group_data.schema.environment import Environment
from operations.host import file, packages, program
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import artifacts, history, pin, tarball
from operations.release.artifacts import UPLOADS, Artifact, in_store
from operations.release.source import Source

# Debian splits OTP off into packages. A mix.exs may name any of these applications, and so may its dependencies.
OTP = (
    "asn1", "crypto", "dev", "edoc", "eldap", "eunit", "ftp", "inets", "mnesia", "os-mon", "parsetools",
    "public-key", "runtime-tools", "snmp", "ssh", "ssl", "syntax-tools", "tftp", "tools", "xmerl",
)  # fmt: skip

# git for dependencies from repositories, and a C compiler: `mix phx.gen.auth` brings bcrypt_elixir, which is C.
PACKAGES = ("elixir", *(f"erlang-{name}" for name in OTP), "git", "gcc", "libc6-dev", "make")

# The last line of a build.
_BUILT = re.compile(r"^Built (\S+)$", re.MULTILINE)


@dataclass
class Result:
    """The version that the run leaves in the store.

    + version: known before the run, or empty until it is built
    """

    version: str


# Seconds: a first build compiles all dependencies.
PATIENCE = 3600


def toolchain(environment: Environment) -> None:
    """Install Elixir and Erlang on the build host: the distribution's packages, or the archive in the group data."""
    if not environment.toolchain:
        packages.install([*PACKAGES, *environment.build_packages], "Build")
        return
    if environment.build_packages:
        packages.install(environment.build_packages, "Build")
    archive = f"{_toolchain_directory(environment)}.tar.gz"
    files.directory(
        name="Build: directory of toolchains", path="/opt/toolchains", user="root", group="root", mode="755"
    )
    files.download(
        name="Build: toolchain",
        src=environment.toolchain,
        dest=archive,
        sha256sum=environment.toolchain_sha256,
        user="root",
        group="root",
        mode="644",
    )
    _unpack_toolchain(name="Build: toolchain unpacked", archive=archive, directory=_toolchain_directory(environment))


def _toolchain_directory(environment: Environment) -> str:
    return f"/opt/toolchains/{environment.toolchain_sha256}"


@operation()
def _unpack_toolchain(archive: str, directory: str) -> Generator[StringCommand]:
    if pyinfra.host.get_fact(Directory, path=directory):
        pyinfra.host.noop("the toolchain is unpacked")
        return
    yield program.command("unpack_toolchain.sh", archive, directory)


def _conf(environment: Environment) -> str:
    tool = environment.tool
    return render(
        "build.conf.j2",
        environment=environment,
        toolchain_path=f"{_toolchain_directory(environment)}/bin:" if environment.toolchain else "",
        assembled=tool.assembled.format(mix_env=environment.mix_env, release=environment.release),
        assemble=[word.replace("{environment}", environment.environment) for word in tool.build.split()],
    )


def recipe(environment: Environment) -> str:
    """SHA-256 of everything but the sources that decides about a build: the programs and the settings.

    The same revision and recipe give the same build, in another environment too. So the path of the secret file is left out:
    a build that has secrets in it is never used again.

    + environment: environment of the build
    """
    settings = [line for line in _conf(environment).splitlines() if not line.startswith("secrets=")]
    return sha256(
        "\0".join([program.text("build.sh"), program.text("read_project.exs"), *settings]).encode()
    ).hexdigest()


def install_program(environment: Environment) -> None:
    """Install the build program of this repository on the host, with its settings beside it.

    + environment: environment of the build
    """
    for name, path, content, mode in (
        ("Build: settings", environment.build_conf_path, _conf(environment), "644"),
        (
            "Build: program that reads mix.exs",
            environment.project_program_path,
            program.text("read_project.exs"),
            "644",
        ),
        ("Build: program", environment.build_program_path, program.text("build.sh"), "755"),
    ):
        file.put(name=name, content=content, dest=path, mode=mode)


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

    A tarball with secrets in it, as Distillery's, never counts: they may have changed, or be another environment's.

    + environment: environment of the build
    + source: sources of the revision
    + store: directory of tarballs
    + distribution: of the host, such as Debian 13
    """
    if not environment.secrets_read_at_start:
        return None
    facts = (source.revision, distribution, environment.built_for, recipe(environment))
    for artifact in in_store(environment, store):
        if artifact == Artifact(artifact.version, artifact.sha256, artifact.size, *facts):
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
    yield StringCommand("touch", QuoteString(f"{store}/{environment.tarball_name(artifact.version)}"))


@operation(is_idempotent=False)
def run(
    environment: Environment, source: Source, arrived: str, store: str, distribution: str, result: Result
) -> Generator[FunctionCommand]:
    """Build a tarball of the revision, show the compiler's output, and store the tarball with its checksum and notes.

    + environment: environment of the build
    + source: sources of the revision
    + arrived: path of the sources, from `send_sources`
    + store: directory of tarballs
    + distribution: of the host, such as Debian 13
    + result: gets the version
    """
    announce(f"Will build {environment.environment} from revision {source.revision[:7]} on {distribution}")
    arguments = [
        environment.build_unit, environment.build_program_path, environment.user, environment.group, environment.build_path,
        source.revision, source.branch, str(PATIENCE), store, environment.app, distribution, environment.built_for,
        recipe(environment), environment.releases_path, arrived, program.text("unpack_sources.sh"),
        environment.build_directory or ".",
    ]  # fmt: skip
    yield FunctionCommand(_start_and_follow, [environment, store, arguments, result], {})


def _start_and_follow(
    state: State, host: Host, environment: Environment, store: str, arguments: list[str], result: Result
) -> bool:
    succeeded, output = host.run_shell_command(
        program.command("run_build.sh", *arguments), print_output=True, _sudo=True
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
    names = output.stdout.split()
    for name in names:
        partial = directory / f"{name}.part"
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)
        host.get_file(f"{UPLOADS}/{name}", str(partial))
        partial.rename(directory / name)
    host.run_shell_command(StringCommand("rm -f", *[QuoteString(f"{UPLOADS}/{name}") for name in names]))
    tarball.read(directory / names[-1])
    host.log(f"{directory / names[-1]} is here", logger.info)
    return True
