"""Restarts of services whose files are newer than their process.

The host's state decides, not the changes of this run. So if a run is interrupted after it wrote a file and before the
restart, the next run restarts the service.
"""

from collections.abc import Generator, Mapping, Sequence
from hashlib import sha256

from pyinfra import host, state
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Sha256File

from operations.host.report import announce
from operations.host.unit_state import FileTimes, HostClock, changed_since, is_running, properties


def is_planned(after: Sequence[OperationMeta]) -> bool:
    """Whether this is the plan and one of the earlier operations will change something.

    In execution the host itself shows the change, so that plan and execution agree.
    """
    return not state.is_executing and any(operation.will_change for operation in after)


@operation()
def service(service: str, files: Sequence[str], after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """Restart a running service once if one of its files is newer than its process. A stopped service stays stopped.

    + service: the unit's name with its suffix
    + files: paths that the service reads when it starts
    + after: operations that write the files, for the plan
    """
    unit = properties(service)
    if not is_running(unit):
        host.noop(f"{service} does not run")
        return
    newer = stale(unit, files)
    if newer or is_planned(after):
        announce(reason(service, newer))
        # Otherwise systemd refuses after too many starts, whatever their reason (StartLimitBurst=).
        yield StringCommand("systemctl reset-failed", QuoteString(service))
        # Otherwise every further run would restart the service, until that time has come.
        yield from touched_if_ahead(newer)
        yield StringCommand("systemctl restart", QuoteString(service))
    else:
        host.noop(f"{service} runs what its files say")


def stale(unit: Mapping[str, str], files: Sequence[str]) -> list[str]:
    """The files that are newer than the process of a service.

    + unit: its `properties`
    + files: paths that the service reads when it starts
    """
    times = host.get_fact(FileTimes, paths=list(files))
    return changed_since("ExecMainStartTimestamp", unit, times, host.get_fact(HostClock))


def reason(service: str, newer: Sequence[str]) -> str:
    """Why a service restarts, for the plan.

    + service: the unit's name with its suffix
    + newer: its files that are newer than its process; none if this run will write them
    """
    return f"Will restart {service}: it runs with what {', '.join(newer) or 'its files'} said before"


def touched_if_ahead(paths: Sequence[str]) -> Generator[StringCommand]:
    """Set the status change time to now where it has not come yet, because the clock was set back. Content stays.

    Other files keep their times: a process that has read them as they are would count as out of date.

    + paths: of the files; links are not followed
    """
    if not paths:
        return
    clock = host.get_fact(HostClock)
    times = host.get_fact(FileTimes, paths=list(paths))
    if ahead := [path for path in times if clock.is_ahead(times[path].changed)]:
        yield StringCommand("touch -a --no-create --no-dereference", *map(QuoteString, ahead))


@operation()
def daemon_reload(unit: str, path: str, content: str, after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """Let systemd read the unit again if its file or its drop-ins changed.

    A process that started before the reload runs the older unit, even if it started after the file changed. So this step
    sets the file's status change time to the reload, and `service` compares that time. Content and modification time stay.

    + unit: the unit's name with its suffix
    + path: file of the unit
    + content: new content of the file, for the plan: a changed mode alone needs no reload
    + after: operations that remove drop-ins, for the plan
    """
    # systemd does not hold a unit that is neither enabled nor running. It reads its file on demand.
    held = properties(unit)
    rewritten = not state.is_executing and host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest()
    # Drop-ins that systemd never read need no reload when they go.
    if is_planned(after):
        needed = rewritten or f"/{unit}.d/" in held.get("DropInPaths", "")
    else:
        needed = rewritten or held.get("NeedDaemonReload") == "yes"
    if held and needed:
        yield StringCommand("touch -a", QuoteString(path), "&& systemctl daemon-reload")
