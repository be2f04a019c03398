"""The releases on a host and the outcome of each; unpacks a release, and removes those that no rollback needs."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import lock
from operations.host.report import announce
from operations.release.artifacts import Artifact, in_store

GOOD, FAILED, LEFT, ENDED, NEW = "good", "failed", "left", "ended", "new"

# Actions that bring another release into service.
SWITCHES = ("release", "rollback")

# $1: environment root, $2: version, $3: tarball, $4: its SHA-256, $5: application and its user. As root, in a directory
# that user could turn into a link: from inside, nobody can lead it elsewhere. GNU tar itself writes nowhere but below.
UNPACK = (
    """\
set -eu
umask 027
root=$1 version=$2 tarball=$3 digest=$4 app=$5
refuse() { echo "$tarball $1: build it anew; nothing was released" >&2; exit 1; }
echo "$digest  $tarball" | sha256sum --check --status || refuse "is not what was built, its checksum differs"
cd "$root"
[ "$(pwd -P)" = "$root" ] || { echo "$root leads elsewhere: apply first" >&2; exit 1; }
[ -d releases ] || mkdir releases
[ ! -L releases ] || { echo "$root/releases is a link: remove it" >&2; exit 1; }
chown root:"$app" releases
chmod 750 releases
cd releases
[ "$(pwd -P)" = "$root/releases" ] || { echo "$root/releases leads elsewhere: remove it" >&2; exit 1; }
# What a machine that lost its power left.
rm -rf .unpacking.*
new=$(mktemp -d .unpacking.XXXXXX)
trap 'rm -rf "$root/releases/$new"' EXIT
trap 'exit 1' HUP INT TERM
tar -tzf "$tarball" > "$new/.names" || refuse "cannot be read, it is cut off or no tarball"
! grep -qE '^/|(^|/)\\.\\.(/|$)' "$new/.names" || refuse "holds paths that lead out of the release"
rm "$new/.names"
tar -xzf "$tarball" -C "$new" --no-same-owner --no-same-permissions || {
    # Kibibytes. tar names the reason of its last write alone, which may have been a short one.
    [ "$(df --output=avail . | tail -n 1)" -ge 1024 ] || {
        echo "$root/releases is full: make room there, or lower keep_releases; nothing was released" >&2
        exit 1
    }
    refuse "could not be unpacked, for the reason above"
}
cd "$new"
here=$(pwd -P)
[ -z "$(find . ! -type f ! -type d ! -type l -print -quit)" ] || refuse "holds what is neither file nor directory nor link"
find . -type l -exec realpath -mz {} + | tr '\\0' '\\n' | while IFS= read -r target; do
    case $target in "$here"/*) ;; *) refuse "holds a link that leads out of the release" ;; esac
done
[ -x "bin/$app" ] || refuse "has no bin/$app"
boots=$(cut -d ' ' -f 2 releases/start_erl.data) || refuse "has no releases/start_erl.data"
[ "$boots" = "$version" ] || refuse "would boot version $boots, not $version"
echo "$digest" > .tarball.sha256
chown -hR root:"$app" .
chmod -R u=rwX,g=rX,o= .
cd ..
"""
    + lock.STILL_HELD
    + """\
rm -rf "$version"
mv -T "$new" "$version"
"""
)

# $1: directory of releases, $2: version. The directory is root's, so that once in it nobody can lead this elsewhere.
REMOVE = 'cd "$1" && [ "$(pwd -P)" = "$1" ] && rm -rf "./$2"'


class Revision(NamedTuple):
    """A line of the log of revisions, as templates/switch.j2 writes it.

    + time: ISO 8601, UTC
    + who: user@computer
    + action: release, rollback, restart, migrate or migrate-down
    + version: of the release it was about
    + revision: git's, or "-"
    + outcome: good, failed, ended from outside, or left: somebody went back from it
    + seconds: how long it took
    """

    time: str
    who: str
    action: str
    version: str
    revision: str
    outcome: str
    seconds: str


class Releases(NamedTuple):
    """The releases of an environment on its host.

    + current: the linked version; None before the first release
    + present: the unpacked versions, each with the SHA-256 of its tarball
    + revisions: the log, oldest first
    """

    current: str | None
    present: dict[str, str]
    revisions: list[Revision]

    def outcome(self, version: str) -> str:
        """The outcome of the last switch to a version: good, failed or left; new if there was none.

        A switch that was ended from outside counts only if there was no other.
        """
        switches = [entry for entry in self.revisions if entry.version == version and entry.action in SWITCHES]
        verdicts = [entry.outcome for entry in switches if entry.outcome != ENDED]
        return verdicts[-1] if verdicts else ENDED if switches else NEW

    def since(self, version: str) -> int:
        """The line of the log for the last good release of a version; -1 without one."""
        places = [
            place
            for place, entry in enumerate(self.revisions)
            if (entry.version, entry.action, entry.outcome) == (version, "release", GOOD)
        ]
        return places[-1] if places else -1

    def newest_first(self) -> list[str]:
        """The unpacked versions by their last good release, the newest first."""
        return sorted(self.present, key=self.since, reverse=True)

    def fallback(self) -> str | None:
        """The newest good release before the current one; never one that failed or was rolled back."""
        if self.current is None:
            return None
        limit = self.since(self.current)
        earlier = (version for version in self.newest_first() if self.since(version) < limit)
        return next((version for version in earlier if self.outcome(version) == GOOD), None)

    def superfluous(self, keep: int, coming: str) -> list[str]:
        """The versions to remove so that `keep` good releases stay: the failed ones, then the oldest.

        + keep: number of good releases, including the coming one
        + coming: the next version
        """
        needed = {self.current, self.fallback(), coming}
        ranked = sorted(self.newest_first(), key=lambda version: (version not in needed, self.outcome(version) != GOOD))
        worth = [version for version in ranked if version in needed or self.outcome(version) in (GOOD, LEFT)]
        limit = keep if coming in self.present else keep - 1
        kept = set(worth[: max(limit, 0)]) | needed
        return [version for version in self.present if version not in kept]

    def superfluous_tarballs(self, tarballs: Sequence[str], keep: int, coming: str | None) -> list[str]:
        """The versions of the tarballs to remove so that `keep` stay: those of failed releases, then the oldest.

        + tarballs: versions in the store, the newest first
        + keep: number of tarballs, including the coming one
        + coming: the next version to release; None for one that will be built
        """
        needed = {self.current, self.fallback(), coming}
        ranked = sorted(tarballs, key=lambda version: (version not in needed, self.outcome(version) == FAILED))
        kept = {*ranked[: keep if coming in tarballs else keep - 1], *needed}
        return [version for version in tarballs if version not in kept]


class ReleasesOnHost(FactBase[Releases]):
    """The environment's releases; none on a host that is not prepared."""

    @staticmethod
    @override
    def default() -> Releases:
        return Releases(None, {}, [])

    @override
    def command(self, app_path: str, releases_path: str, revisions_path: str) -> StringCommand:
        script = (
            'readlink "$1" | sed "s|.*/|current\\t|"; cd "$2" 2>/dev/null && for release in *; do [ ! -d "$release" ] ||'
            ' printf "present\\t%s\\t%s\\n" "$release" "$(cat "$release/.tarball.sha256" 2>/dev/null)"; done;'
            ' sed "s|^|log\\t|" "$3" 2>/dev/null; true'
        )
        arguments = [QuoteString(path) for path in (app_path, releases_path, revisions_path)]
        return StringCommand("sh -c", QuoteString(script), "sh", *arguments)

    @override
    def process(self, output: list[str]) -> Releases:
        current, present, revisions = None, {}, []
        for line in output:
            kind, *fields = line.split("\t")
            if kind == "current":
                current = fields[0]
            elif kind == "present":
                present[fields[0]] = fields[1]
            elif kind == "log" and len(fields) == len(Revision._fields):
                revisions.append(Revision(*fields))
        return Releases(current, present, revisions)


def paths(environment: Environment) -> dict[str, str]:
    """Arguments of `ReleasesOnHost`."""
    return {
        "app_path": environment.app_path,
        "releases_path": environment.releases_path,
        "revisions_path": environment.revisions_path,
    }


def read(environment: Environment) -> Releases:
    """The environment's releases on the host of this deploy."""
    releases: Releases = host.get_fact(ReleasesOnHost, **paths(environment))
    return releases


@operation()
def prune(environment: Environment, coming: str) -> Generator[StringCommand]:
    """No failed release and at most `keep_releases` good ones are left; the current one and its fallback always stay.

    + environment: of the releases
    + coming: the next version, which counts as one of `keep_releases`
    """
    superfluous = read(environment).superfluous(environment.keep_releases, coming)
    if not superfluous:
        host.noop("no release is superfluous")
        return
    # One line for all: a plan reads an operation only up to its first command.
    announce(f"Will remove releases: {', '.join(superfluous)}")
    for version in superfluous:
        arguments = [QuoteString(environment.releases_path), QuoteString(version)]
        yield StringCommand("sh -c", QuoteString(REMOVE), "sh", *arguments)


@operation()
def prune_tarballs(environment: Environment, store: str, coming: str | None) -> Generator[StringCommand]:
    """`keep_releases` tarballs stay, among them those of the running release and of the one before it.

    + environment: of the tarballs
    + store: directory of the tarballs
    + coming: the next version to release, or None for one that will be built; it counts as one of `keep_releases`
    """
    tarballs = [artifact.version for artifact in in_store(environment, store)]
    superfluous = read(environment).superfluous_tarballs(tarballs, environment.keep_releases, coming)
    if not superfluous:
        host.noop("no tarball is superfluous")
        return
    announce(f"Will remove tarballs: {', '.join(superfluous)}")
    for version in superfluous:
        path = f"{store}/{environment.tarball_name(version)}"
        yield StringCommand("rm -f", *[QuoteString(f"{path}{suffix}") for suffix in ("", ".sha256", ".build")])


@operation()
def unpack(environment: Environment, artifact: Artifact) -> Generator[StringCommand]:
    """The release is in a directory of its own, which belongs to root; the application can read it and not change it.

    A tarball with a wrong checksum or version, a broken one, and one with paths or links out of its directory are refused
    without a trace.

    + environment: of the release
    + artifact: the tarball, which must be in the host's store
    """
    if read(environment).present.get(artifact.version) == artifact.sha256:
        host.noop(f"{artifact.version} is unpacked")
        return
    announce(f"Will unpack {artifact.version} to {environment.release_path(artifact.version)}")
    arguments = [environment.root, artifact.version, artifact.path(environment), artifact.sha256, environment.app]
    yield StringCommand("sh -c", QuoteString(UNPACK), "sh", *[QuoteString(argument) for argument in arguments])
