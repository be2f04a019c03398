"""Directories of releases and tarballs on a host: unpacking a release, and removing those nobody goes back to."""

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
    """Failed releases are gone, and of the good ones those beyond `keep_releases`; not the current one nor its fallback.

    + environment: whose
    + coming: version that is about to be released, for which one place is left
    """
    superfluous = history.read(environment).superfluous(environment.keep_releases, coming)
    if not superfluous:
        host.noop("no release is superfluous")
        return
    # In one line: a plan reads an operation to its first command, and no further.
    announce(f"Will remove releases: {', '.join(superfluous)}")
    for version in superfluous:
        yield program.command("remove_release.sh", environment.releases_path, version)


@operation()
def prune_tarballs(environment: Environment, store: str, coming: str | None) -> Generator[StringCommand]:
    """Of the tarballs `keep_releases` stay, among them those of the running release and the one to go back to.

    + environment: whose
    + store: directory of the tarballs
    + coming: version that is about to be released, or None for one that is about to be built: a place is left for it
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
    """The release is in a directory of its own, which belongs to root and which the application reads and cannot change.

    Refused, and nothing left behind: another checksum, a broken tarball, paths or links that lead out of it, another
    version than it is called.

    + environment: whose
    + artifact: the tarball, in the host's store by now
    """
    if history.read(environment).present.get(artifact.version) == artifact.sha256:
        host.noop(f"{artifact.version} is unpacked")
        return
    announce(f"Will unpack {artifact.version} to {environment.release_path(artifact.version)}")
    arguments = [environment.root, artifact.version, artifact.path(environment), artifact.sha256, environment.app]
    yield program.command("unpack_release.sh", *arguments)
