"""The releases on a host, and the outcome of each."""

from collections.abc import Sequence
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.facts.files import Link
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.version import is_version
from operations.host import program

GOOD, FAILED, LEFT, ENDED, NEW, DAMAGED = "good", "failed", "left", "ended", "new", "damaged"

# Actions that bring another release into service.
SWITCHES = ("release", "rollback")


def is_released(environment: Environment) -> bool:
    """Whether one of the releases on the host is linked as the running one.

    + environment: of the releases
    """
    link = host.get_fact(Link, path=environment.app_path)
    if not link:
        return False
    return is_version(str(link["link_target"]).rsplit("/", 1)[-1])


class Revision(NamedTuple):
    """A line of the log of revisions, as operations/programs/switch.sh writes it.

    + time: ISO 8601, UTC
    + who: user@computer
    + action: release, rollback, restart, migrate or migrate-down
    + version: of the release it was about
    + revision: git's, or "-"
    + outcome: good, failed, left: somebody went back from it, or ended: it says nothing about the version
    + seconds: how long it took
    + reason: of a failure; empty where there was none, and in lines of before there were reasons
    """

    time: str
    who: str
    action: str
    version: str
    revision: str
    outcome: str
    seconds: str
    reason: str = ""


# Of a line, without and with a reason.
_FIELDS = (len(Revision._fields) - 1, len(Revision._fields))


class Releases(NamedTuple):
    """The releases of an environment on its host.

    + current: the linked version; None before the first release
    + present: the unpacked versions, each with the SHA-256 of its tarball
    + revisions: the log, oldest first
    + damaged: the unpacked versions whose files are not those of their tarball, as after a power cut
    + cut_off: an action that a power cut cut off and that nobody is at, e.g. "release 0.2.0"; None without one
    """

    current: str | None
    present: dict[str, str]
    revisions: list[Revision]
    damaged: frozenset[str] = frozenset()
    cut_off: str | None = None

    def outcome(self, version: str) -> str:
        """The outcome of the last switch to a version: good, failed or left; new if there was none; or damaged.

        A switch that ended without a verdict counts only if there was no other. A damaged release can be no good one.
        """
        if version in self.damaged:
            return DAMAGED
        switches = [entry for entry in self.revisions if entry.version == version and entry.action in SWITCHES]
        verdicts = [entry.outcome for entry in switches if entry.outcome != ENDED]
        return verdicts[-1] if verdicts else ENDED if switches else NEW

    def was_good(self, version: str) -> bool:
        """Whether a version was good once. A later failure may be the host's fault, so such a release is worth keeping."""
        good = (version, GOOD)
        return version not in self.damaged and any(
            (entry.version, entry.outcome) == good for entry in self.revisions if entry.action in SWITCHES
        )

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
        """The versions to remove so that `keep` good releases stay: those that were never good, then the oldest.

        + keep: number of good releases, including the coming one
        + coming: the next version
        """
        needed = {self.current, self.fallback(), coming}
        ranked = sorted(self.newest_first(), key=lambda version: (version not in needed, self.outcome(version) != GOOD))
        worth = [version for version in ranked if version in needed or self.was_good(version)]
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
        ranked = sorted(tarballs, key=lambda version: (version not in needed, self._is_bad(version)))
        kept = {*ranked[: keep if coming in tarballs else keep - 1], *needed}
        return [version for version in tarballs if version not in kept]

    def _is_bad(self, version: str) -> bool:
        return self.outcome(version) == FAILED and not self.was_good(version)


class ReleasesOnHost(FactBase[Releases]):
    """The environment's releases; none on a host that is not prepared."""

    @staticmethod
    @override
    def default() -> Releases:
        return Releases(None, {}, [])

    @override
    def command(self, app_path: str, releases_path: str, revisions_path: str) -> StringCommand:
        return program.command("list_releases.sh", app_path, releases_path, revisions_path)

    @override
    def process(self, output: list[str]) -> Releases:
        current, present, revisions, damaged, cut_off = None, {}, [], set(), None
        for line in output:
            kind, *fields = line.split("\t")
            if kind == "current" and is_version(fields[0]):
                current = fields[0]
            elif kind == "present" and is_version(fields[0]):
                present[fields[0]] = fields[1]
            elif kind == "cut off":
                cut_off = fields[0]
            elif kind == "damaged":
                damaged.add(fields[0])
            elif kind == "log" and len(fields) in _FIELDS:
                revisions.append(Revision(*fields))
        return Releases(current, present, revisions, frozenset(damaged), cut_off)


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
