"""Building a release on a host: toolchain, sources, the build itself, and the tarball's way into the store or here."""

import re
from collections.abc import Generator
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pyinfra
from pyinfra import logger
from pyinfra.api import FunctionCommand, QuoteString, StringCommand, operation
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.facts.files import Directory
from pyinfra.operations import files

from group_data.schema.environment import Environment
from operations import machine
from operations.host import transient
from operations.host.rendering import render
from operations.host.report import announce
from operations.release import pin, tarball
from operations.release.artifacts import UPLOADS, Artifact, in_store
from operations.release.source import Source

# Elixir with what a build asks of Erlang, and git for dependencies that come from repositories.
PACKAGES = ("elixir", "erlang-dev", "git")

# The last line of a build.
_BUILT = re.compile(r"^Built (\S+)$", re.MULTILINE)

# Seconds: a first build compiles all dependencies.
PATIENCE = 3600

# $1: directory of sources and what was built. As the application user; sources are replaced as a whole, so that no file of
# an earlier revision is built; what was fetched and compiled before stays, for speed.
UNPACK = """\
umask 077
cd "$1"
rm -rf new release.tar.gz
mkdir new
tar -xz -C new
for kept in deps _build; do
    [ ! -d "source/$kept" ] || [ -e "new/$kept" ] || mv "source/$kept" "new/$kept"
done
rm -rf source
mv new source
"""

# The lock keeps two builds of one environment apart, and the tarball's name comes last. What the application user made is
# read as that user: root follows no link it may hold.
BUILD = f"""\
set -eu
unit=$1 program=$2 user=$3 group=$4 builds=$5 revision=$6 branch=$7 patience=$8 store=$9
shift 9
app=$1 distribution=$2 built_for=$3 recipe=$4 releases=$5 archive=$6 unpack=$7
trap 'rm -f "$archive"' EXIT
as_user() {{ setpriv --reuid "$user" --regid "$user" --init-groups "$@"; }}
install -d -o root -g "$user" -m 750 "$builds"
install -d -o "$user" -g "$user" -m 700 "$builds/scratch"
exec 9> "$builds/lock"
flock -n 9 || {{ echo "a build of this environment is at work: wait for it to end" >&2; exit 1; }}
as_user sh -euc "$unpack" sh "$builds/scratch" < "$archive"
systemctl reset-failed "$unit" 2>/dev/null || true
taken=$({{ ls "$store" | sed -n "s/^$app-\\(.*\\)\\.tar\\.gz\\$/\\1/p"; ls "$releases" 2>/dev/null; }} | xargs)
begin=$(date +%s.%6N)
groups=
! getent group "$group" > /dev/null || groups=--property=SupplementaryGroups=$group
systemd-run --quiet --unit="$unit" --service-type=exec --uid="$user" --gid="$user" $groups --property=UMask=0077 \\
    --property=PrivateTmp=yes --property=SyslogIdentifier="${{unit%.service}}" --property=RuntimeMaxSec="$patience" \\
    --property=WorkingDirectory="$builds/scratch/source" --setenv=REVISION="$revision" --setenv=BRANCH="$branch" \\
    --setenv=TAKEN="$taken" -- "$program"
{transient.FOLLOW}
follow "$unit" "${{unit%.service}}" "$begin"
version=$(sed -n '$s/^Built //p' "$seen")
rm -f "$archive"
[ -n "$version" ] || {{ systemctl reset-failed "$unit" 2>/dev/null; exit 1; }}
umask 077
tarball=$store/$app-$version.tar.gz
as_user cat "$builds/scratch/release.tar.gz" > "$tarball.part"
printf '%s\\n' "revision=$revision" "branch=$branch" "distribution=$distribution" "built_for=$built_for" "recipe=$recipe" \\
    "built=$(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$tarball.build"
echo "$(sha256sum < "$tarball.part" | cut -d ' ' -f 1)  ${{tarball##*/}}" > "$tarball.sha256"
mv "$tarball.part" "$tarball"
as_user rm -f "$builds/scratch/release.tar.gz"
"""

# $1: directory of the store, $2: application, $3: directory for uploads, relative to the home of whoever is logged in.
# Prints the names, the tarball's last: by then all that says what it is must be there.
HAND_OVER = """\
set -eu
umask 077
uploads=$(getent passwd "$SUDO_USER" | cut -d : -f 6)/$3
cd "$1"
tarball=$(ls -1t | grep -x "$2-.*\\.tar\\.gz" | head -n 1)
install -d -o "$SUDO_USER" -m 700 "$uploads"
for file in "$tarball.sha256" "$tarball.build" "$tarball"; do
    install -o "$SUDO_USER" -m 600 "$file" "$uploads/"
    echo "$file"
done
"""


def toolchain(environment: Environment) -> None:
    """Elixir and Erlang are on the build host: the distribution's, or the archive that group data names."""
    if not environment.toolchain:
        machine.packages([*PACKAGES, *environment.build_packages], "Build")
        return
    if environment.build_packages:
        machine.packages(environment.build_packages, "Build")
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
    script = 'rm -rf "$2.part" && mkdir "$2.part" && tar -xzf "$1" -C "$2.part" --no-same-owner && mv "$2.part" "$2"'
    yield StringCommand("sh -c", QuoteString(script), "sh", QuoteString(archive), QuoteString(directory))


def _program(environment: Environment) -> str:
    path = f"{_toolchain_directory(environment)}/bin:" if environment.toolchain else ""
    return render("build.j2", environment=environment, toolchain_path=path)


def recipe(environment: Environment) -> str:
    """SHA-256 of the program that builds: with the same revision, what is built is the same."""
    return sha256(_program(environment).encode()).hexdigest()


def program(environment: Environment) -> None:
    """The program that builds is on the host as this repository has it."""
    files.put(
        name="Build: program",
        src=StringIO(_program(environment)),
        dest=environment.build_program_path,
        user="root",
        group="root",
        mode="755",
    )


def send_sources(environment: Environment, source: Source) -> str:
    """The sources are on the build host, where nobody else reads them; returns the path, relative to a login's home.

    + environment: to be built
    + source: the revision
    """
    arrived = f"{UPLOADS}/{environment.full_name}-{source.archive.name}"
    files.directory(name="Build: directory for uploads", path=UPLOADS, mode="700", _sudo=False)
    files.put(name="Build: sources", src=str(source.archive), dest=arrived, mode="600", _sudo=False)
    return arrived


def find_known(environment: Environment, source: Source, store: str, distribution: str) -> Artifact | None:
    """The tarball that a build would make again.

    Distillery's never is: it has secrets in it, which may be others by now.

    + environment: to be built
    + source: the revision
    + store: directory of tarballs
    + distribution: the host's, such as Debian 13
    """
    wanted = (source.revision, distribution, environment.built_for, recipe(environment))
    same = (
        artifact
        for artifact in in_store(environment, store)
        if (artifact.revision, artifact.distribution, artifact.built_for, artifact.recipe) == wanted
    )
    return next(same, None) if environment.secrets_read_at_start else None


@operation(is_idempotent=False)
def renew(environment: Environment, artifact: Artifact, store: str) -> Generator[StringCommand]:
    """A tarball is the newest of the store, as if it had just been built.

    + environment: it is for
    + artifact: the tarball
    + store: directory of tarballs
    """
    if pyinfra.state.is_executing or pyinfra.state.config.DIFF:
        pyinfra.host.log(f"Built already: {artifact.version}. REBUILD=1 builds it anew", logger.info)
    yield StringCommand("touch", QuoteString(f"{store}/{environment.app}-{artifact.version}.tar.gz"))


@operation(is_idempotent=False)
def run(
    environment: Environment, source: Source, arrived: str, store: str, distribution: str
) -> Generator[FunctionCommand]:
    """A tarball of the revision is in the store with its checksum and what it was built from; the compiler is heard.

    + environment: to be built
    + source: the revision
    + arrived: where its files are, as `send_sources` says
    + store: directory of tarballs
    + distribution: the host's, such as Debian 13
    """
    announce(f"Will build {environment.environment} from revision {source.revision[:7]} on {distribution}")
    arguments = [
        environment.build_unit, environment.build_program_path, environment.user, environment.group, environment.build_path,
        source.revision, source.branch, str(PATIENCE), store, environment.app, distribution, environment.built_for,
        recipe(environment), environment.releases_path, arrived, UNPACK,
    ]  # fmt: skip
    yield FunctionCommand(_start_and_follow, [environment, store, arguments], {})


def _start_and_follow(state: State, host: Host, environment: Environment, store: str, arguments: list[str]) -> bool:
    quoted = [QuoteString(argument) for argument in arguments]
    succeeded, output = host.run_shell_command(
        StringCommand("sh -c", QuoteString(BUILD), "sh", *quoted), print_output=True, _sudo=True
    )
    if succeeded and pin.is_asked_for():
        # The newest of the store may be another one by now.
        version = _BUILT.findall(output.stdout)[-1]
        built = next(artifact for artifact in in_store(environment, store) if artifact.version == version)
        pin.keep(version=version, sha256=built.sha256)
    return succeeded


@operation(is_idempotent=False)
def fetch(environment: Environment, store: str, directory: Path) -> Generator[FunctionCommand]:
    """The newest tarball of the store is on this computer, with what lies beside it, and nobody else reads it.

    + environment: it is for
    + store: directory of tarballs on the host
    + directory: here
    """
    announce(f"Will bring the tarball to {directory}")
    yield FunctionCommand(_fetch, [environment, store, directory], {})


def _fetch(state: State, host: Host, environment: Environment, store: str, directory: Path) -> bool:
    # Through a directory of the user SSH logs in as that nobody else enters: pyinfra's way with sudo is a file in /tmp that
    # everybody may read.
    handed, output = host.run_shell_command(
        StringCommand("sh -c", QuoteString(HAND_OVER), "sh", QuoteString(store), environment.app, UPLOADS), _sudo=True
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
