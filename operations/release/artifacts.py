"""The artifact store of an environment on the host: tarballs of releases, each with its checksum and build facts.

Only root can read it, because a Distillery release holds its secrets.
"""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.exceptions import DeployError
from pyinfra.operations import files
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.version import is_version
from operations.host import program
from operations.host.upload import send
from operations.release.tarball import Tarball

# Directory for uploads in the home of the user SSH logs in as. With sudo, pyinfra uploads through a file in /tmp that
# everybody may read. Without sudo, it writes directly into this directory, which nobody else can enter.
UPLOADS = ".deploy-uploads"

# Bytes that must stay free on a file system, for the database, the journal and the logs.
RESERVE = 64 * 1024 * 1024

# Size of an unpacked release as a multiple of its tarball: a little under 3 (seen with mix release), rounded up.
UNPACKED = 4


class Artifact(NamedTuple):
    """A tarball for a release.

    + version: of the release
    + sha256: of the tarball
    + size: of the tarball, in bytes
    + revision: git's, or "-"
    + distribution: of the build host, such as Debian 13, or "-"
    + built_for: marks of an environment in it (`Environment.built_for`), or "-"
    + recipe: SHA-256 of the program that built it, or "-"
    + secrets: "built in" if it holds secrets of its environment, or "-"
    + ref: git's name of the branch whose builds left their compiled code to it, "anew" if it began with nothing, or "-"
    """

    version: str
    sha256: str
    size: int
    revision: str = "-"
    distribution: str = "-"
    built_for: str = "-"
    recipe: str = "-"
    secrets: str = "-"
    ref: str = "-"

    def path(self, environment: Environment) -> str:
        """Its path in the store."""
        return f"{environment.artifacts_path}/{environment.tarball_name(self.version)}"


class ArtifactsInStore(FactBase[list[Artifact]]):
    """The tarballs in the store, the newest first."""

    @staticmethod
    @override
    def default() -> list[Artifact]:
        return []

    @override
    def command(self, directory: str, app: str) -> StringCommand:
        return program.command("list_artifacts.sh", directory, app)

    @override
    def process(self, output: list[str]) -> list[Artifact]:
        rows = [line.split("\t") for line in output]
        return [
            Artifact(version, sha256, int(size), *(word or "-" for word in built))
            for version, sha256, size, *built in rows
            # A version becomes a part of paths, here and on the host.
            if is_version(version) and size.isdecimal()
        ]


class FreeSpace(FactBase[dict[str, tuple[str, int]]]):
    """File system and free bytes of each path, or of the nearest existing directory above it.

    + paths: directories
    + going: directories below the first path that will be removed; their size counts as free
    """

    @staticmethod
    @override
    def default() -> dict[str, tuple[str, int]]:
        return {}

    @override
    def command(self, paths: Sequence[str], going: Sequence[str]) -> StringCommand:
        look = program.command("free_space.sh", *paths)
        if not going:
            return look
        weigh = StringCommand("du -sc --block-size=1", *[QuoteString(path) for path in going], "| tail -n 1")
        return StringCommand(look, ";", weigh)

    @override
    def process(self, output: list[str]) -> dict[str, tuple[str, int]]:
        rows = [line.split() for line in output]
        free = {row[0]: (row[1], int(row[2])) for row in rows if len(row) == 3}
        gained = sum(int(row[0]) for row in rows if len(row) == 2)
        gaining = next(iter(free.values()))[0]
        return {path: (target, size + gained * (target == gaining)) for path, (target, size) in free.items()}


def store(environment: Environment) -> None:
    """The directories of an environment's releases that only root can enter.

    + environment: of the releases
    """
    for name, path in {
        "releases": environment.state_path,
        "tarballs": environment.artifacts_path,
        "backups": environment.backups_path,
    }.items():
        files.directory(name=f"Release: directory of {name}", path=path, user="root", group="root", mode="700")


def in_store(environment: Environment, store: str | None = None) -> list[Artifact]:
    """The tarballs of an environment, the newest first.

    + environment: of the tarballs
    + store: directory; default: the environment's artifact store
    """
    artifacts: list[Artifact] = host.get_fact(
        ArtifactsInStore, directory=store or environment.artifacts_path, app=environment.app
    )
    return artifacts


def require_space(environment: Environment, artifact: Artifact, *, upload: bool, going: Sequence[str]) -> None:
    """Refuse a release that needs more space than a file system has.

    + environment: of the release
    + artifact: its tarball
    + upload: whether the tarball is uploaded first
    + going: versions that are removed first

    Raises DeployError, before anything is changed.
    """
    needs = {
        environment.releases_path: artifact.size * (UNPACKED + upload),
        environment.state_path: artifact.size * upload,
    }
    available = host.get_fact(
        FreeSpace, paths=list(needs), going=[environment.release_path(version) for version in going]
    )
    for target, free in available.values():
        need = RESERVE + sum(need for path, need in needs.items() if available[path][0] == target)
        if free < need:
            raise DeployError(
                f"{host.name}: {artifact.version} needs {_mebibytes(need)} MiB on {target}, and {_mebibytes(free)} are "
                "free: make room there, or lower keep_releases. Nothing was changed"
            )


def _mebibytes(size: int) -> int:
    return -(-size // (1024 * 1024))


def upload(environment: Environment, tarball: Tarball) -> None:
    """The tarball is in the store, with its checksum verified on the host.

    + environment: of the release
    + tarball: on this computer
    """
    arrived = f"{UPLOADS}/{environment.full_name}-{tarball.sha256}.tar.gz"
    files.directory(name="Release: directory for uploads", path=UPLOADS, mode="700", _sudo=False)
    send(name="Release: upload", src=tarball.path, dest=arrived, sha256=tarball.sha256, _sudo=False)
    store_upload(name="Release: tarball in the store", environment=environment, tarball=tarball, arrived=arrived)


@operation()
def take(environment: Environment, artifact: Artifact, store: str, into: str | None = None) -> Generator[StringCommand]:
    """Copy a tarball from another store of the machine, with its notes. Its checksum is verified.

    + environment: that gets the tarball
    + artifact: the tarball
    + store: directory of tarballs that has it
    + into: directory of tarballs that gets it; default: the environment's artifact store
    """
    name = environment.tarball_name(artifact.version)
    places = [f"{directory}/{name}" for directory in (store, into or environment.artifacts_path)]
    yield program.command("take_artifact.sh", *places, artifact.sha256)


@operation()
def store_upload(environment: Environment, tarball: Tarball, arrived: str) -> Generator[StringCommand]:
    """An uploaded tarball moves into the store if its checksum is right.

    + environment: of the release
    + tarball: on this computer
    + arrived: path of the upload, relative to the home of the user SSH logs in as
    """
    place = f"{environment.artifacts_path}/{environment.tarball_name(tarball.version)}"
    # pyinfra's standard input is an argument of the command, not of its text.
    yield StringCommand(program.command("store_artifact.sh", arrived, place, tarball.sha256), _stdin=tarball.build)
