"""The releases on a host: which there are, and how each ended."""

from collections.abc import Sequence
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program

GOOD, FAILED, LEFT, ENDED, NEW = "good", "failed", "left", "ended", "new"

# Actions that bring another release into service.
SWITCHES = ("release", "rollback")


class Revision(NamedTuple):
    """A line of the log of revisions, as operations/programs/switch.sh writes it.

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
    """What a host knows of an environment's releases.

    + current: the version that is linked; None before the first release
    + present: SHA-256 of its tarball by version, of what is unpacked
    + revisions: the log, oldest first
    """

    current: str | None
    present: dict[str, str]
    revisions: list[Revision]

    def outcome(self, version: str) -> str:
        """How the last switch to a version ended: good, failed or left; new if there was none.

        One that was ended from outside says nothing of the version, unless there was no other.
        """
        switches = [entry for entry in self.revisions if entry.version == version and entry.action in SWITCHES]
        verdicts = [entry.outcome for entry in switches if entry.outcome != ENDED]
        return verdicts[-1] if verdicts else ENDED if switches else NEW

    def since(self, version: str) -> int:
        """The place in the log at which a version was last released well; -1 if it never was."""
        places = [
            place
            for place, entry in enumerate(self.revisions)
            if (entry.version, entry.action, entry.outcome) == (version, "release", GOOD)
        ]
        return places[-1] if places else -1

    def newest_first(self) -> list[str]:
        """What is unpacked, in the order of release."""
        return sorted(self.present, key=self.since, reverse=True)

    def fallback(self) -> str | None:
        """The newest good release before the current one: never one that failed or that somebody went back from."""
        if self.current is None:
            return None
        limit = self.since(self.current)
        earlier = (version for version in self.newest_first() if self.since(version) < limit)
        return next((version for version in earlier if self.outcome(version) == GOOD), None)

    def superfluous(self, keep: int, coming: str) -> list[str]:
        """What goes, so that with the coming release `keep` good ones stay: those that failed, and then the oldest.

        + keep: good releases
        + coming: version that is about to be released
        """
        needed = {self.current, self.fallback(), coming}
        ranked = sorted(self.newest_first(), key=lambda version: (version not in needed, self.outcome(version) != GOOD))
        worth = [version for version in ranked if version in needed or self.outcome(version) in (GOOD, LEFT)]
        limit = keep if coming in self.present else keep - 1
        kept = set(worth[: max(limit, 0)]) | needed
        return [version for version in self.present if version not in kept]

    def superfluous_tarballs(self, tarballs: Sequence[str], keep: int, coming: str | None) -> list[str]:
        """What goes, so that with the coming one `keep` tarballs stay: those of releases that failed, and then the oldest.

        + tarballs: versions in the store, the newest first
        + keep: tarballs
        + coming: version that is about to be released; None for one that is about to be built
        """
        needed = {self.current, self.fallback(), coming}
        ranked = sorted(tarballs, key=lambda version: (version not in needed, self.outcome(version) == FAILED))
        kept = {*ranked[: keep if coming in tarballs else keep - 1], *needed}
        return [version for version in tarballs if version not in kept]


class ReleasesOnHost(FactBase[Releases]):
    """The environment's releases; none where it has not been prepared."""

    @staticmethod
    @override
    def default() -> Releases:
        return Releases(None, {}, [])

    @override
    def command(self, app_path: str, releases_path: str, revisions_path: str) -> StringCommand:
        return program.command("list_releases.sh", app_path, releases_path, revisions_path)

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
