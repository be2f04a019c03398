"""Directories of releases and tarballs on a host: how a release is unpacked, and old ones are removed."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from group_data.schema.environment import Environment
from operations.host import program
from operations.host.report import announce
from operations.release import history
from operations.release.artifacts import Artifact, in_store


@operation()
def prune(environment: Environment, coming: str) -> Generator[StringCommand]:
    """Remove failed releases, and good ones beyond `keep_releases`. The current one and its fallback always stay.

    + environment: environment of the releases
    + coming: next version; it counts as one of `keep_releases`
    """
    superfluous = history.read(environment).superfluous(environment.keep_releases, coming)
    if not superfluous:
        host.noop("no release is superfluous")
        return
    # One line for all: a plan reads an operation only up to its first command.
    announce(f"Will remove releases: {', '.join(superfluous)}")
    for version in superfluous:
        yield program.command("remove_release.sh", environment.releases_path, version)


@operation()
def prune_tarballs(environment: Environment, store: str, coming: str | None) -> Generator[StringCommand]:
    """Keep `keep_releases` tarballs, among them those of the running release and of the one before it.

    + environment: environment of the tarballs
    + store: directory of the tarballs
    + coming: next version to release, or None for a coming build; it counts as one of `keep_releases`
    """
    tarballs = [artifact.version for artifact in in_store(environment, store)]
    superfluous = history.read(environment).superfluous_tarballs(tarballs, environment.keep_releases, coming)
    if not superfluous:
        host.noop("no tarball is superfluous")
        return
    announce(f"Will remove tarballs: {', '.join(superfluous)}")
    for version in superfluous:
        path = f"{store}/{environment.tarball_name(version)}"
        yield StringCommand("rm -f", *[QuoteString(f"{path}{suffix}") for suffix in ("", ".sha256", ".build")])


@operation()
def unpack(environment: Environment, artifact: Artifact) -> Generator[StringCommand]:
    """Unpack the release into a directory of its own. It belongs to root; the application can only read it.

    A tarball is refused, without a trace on the host, if its checksum or version is wrong, if it is broken, or if it has
    paths or links out of its directory.

    + environment: environment of the release
    + artifact: tarball in the host's store
    """
    releases = history.read(environment)
    damaged = artifact.version in releases.damaged
    if releases.present.get(artifact.version) == artifact.sha256 and not damaged:
        host.noop(f"{artifact.version} is unpacked")
        return
    announce(
        f"Will unpack {artifact.version} to {environment.release_path(artifact.version)}"
        + (" again: damaged there" if damaged else "")
    )
    arguments = [
        environment.root, artifact.version, artifact.path(environment), artifact.sha256, environment.user,
        environment.release, "no" if environment.has_secrets_in_release else "yes",
    ]  # fmt: skip
    yield program.command("unpack_release.sh", *arguments)
