"""The crash dump of an Erlang VM: who looks for it finds it, and doctor names it until somebody removed it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from pyinfra.api import FactBase, Host, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.finding import Finding
from operations.host import program

# Characters of a reason that a finding shows.
_SHOWN = 300


class CrashDump(NamedTuple):
    """A dump that is newer than the link to the running release.

    + when: time of its last change
    + path: of the file
    + reason: the VM's own words, readable
    """

    when: datetime
    path: str
    reason: str


class NewestCrashDump(FactBase[CrashDump | None]):
    """The newest crash dump since the running release was linked; None without one."""

    @staticmethod
    @override
    def default() -> CrashDump | None:
        return None

    @override
    def command(self, unit_path: str, dumps: str, link: str) -> StringCommand:
        """The program's command line: it runs in the application's sandbox, whose directory this is.

        + unit_path: of the application's unit
        + dumps: path of a dump; those of before have words behind it
        + link: to the running release
        """
        look = program.words("crash_dump.sh", dumps, link, program.text("readable.pl"))
        return StringCommand(program.command("beside_release.sh", unit_path, *look), "2>/dev/null || true")

    @override
    def process(self, output: list[str]) -> CrashDump | None:
        seconds, path, reason = output[0].split("\t", 2)
        return CrashDump(datetime.fromtimestamp(int(float(seconds)), UTC), path, reason)


def crash_findings(host: Host, environment: Environment) -> Iterator[Finding]:
    """The crash of the running release, if there is a dump of one.

    + environment: of the release

    Raises PyinfraError when the question to the host fails.
    """
    dump = fact(
        host,
        NewestCrashDump,
        unit_path=environment.unit_path,
        dumps=environment.crash_dump_path,
        link=environment.app_path,
    )
    if dump:
        yield finding(dump)


def finding(dump: CrashDump) -> Finding:
    """A crash dump as a finding.

    + dump: that was found
    """
    reason = dump.reason[:_SHOWN] + "…" * (len(dump.reason) > _SHOWN)
    return Finding(
        f"the Erlang VM crashed at {dump.when:%Y-%m-%d %H:%M} UTC: {reason or 'without a reason'}",
        "systemd may have started it again, and it may crash again. Its dump holds what the VM held, secrets too",
        f"read {dump.path} on the host, such as with crashdump_viewer, and then remove it",
    )
