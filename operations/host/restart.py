"""Services that run what their files say.

Decided from the host's state, not from what this run changed: a run that was interrupted between writing a file and
restarting is mended by the next one.
"""

from collections.abc import Generator, Sequence
from hashlib import sha256

from pyinfra import host, state
from pyinfra.api import QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Sha256File

from operations.host.report import announce
from operations.host.unit_state import FileTimes, changed_since, is_running, properties


def is_planned(after: Sequence[OperationMeta]) -> bool:
    """Whether this is the plan and one of the operations before will change something.

    While executing the host itself tells, so that the plan and what is then done agree.
    """
    return not state.is_executing and any(operation.will_change for operation in after)


@operation()
def service(service: str, files: Sequence[str], after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """A running service is restarted once if one of its files is newer than its process; one that is stopped is left.

    + service: the unit's name with its suffix
    + files: paths it reads when it starts
    + after: operations that write them, for the plan
    """
    unit = properties(service)
    if not is_running(unit):
        host.noop(f"{service} does not run")
        return
    stale = changed_since(unit["ExecMainStartTimestamp"], host.get_fact(FileTimes, paths=list(files)))
    if stale or is_planned(after):
        announce(f"Will restart {service}: it runs with what {', '.join(stale) or 'its files'} said before")
        # Otherwise systemd would refuse once too many starts, wanted or not, came before (StartLimitBurst=).
        yield StringCommand("systemctl reset-failed", QuoteString(service))
        yield StringCommand("systemctl restart", QuoteString(service))
    else:
        host.noop(f"{service} runs what its files say")


@operation()
def daemon_reload(unit: str, path: str, content: str, after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """systemd knows the unit as it is on disk.

    A process that started before, even after the file changed, runs what the older version said. So the file's time of
    status change becomes that of the reload, which `service` compares; its content and modification time stay.

    + unit: the unit's name with its suffix
    + path: its file
    + content: what the file holds by then, for the plan: a changed mode alone needs no reload
    + after: operations that take drop-ins away, for the plan
    """
    # One that is neither enabled nor running is not in memory, and is read when it is asked for.
    held = properties(unit)
    rewritten = not state.is_executing and host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest()
    # Additions that systemd has not read and that are gone by then need no reload.
    if is_planned(after):
        needed = rewritten or f"/{unit}.d/" in held.get("DropInPaths", "")
    else:
        needed = rewritten or held.get("NeedDaemonReload") == "yes"
    if held and needed:
        yield StringCommand("touch -a", QuoteString(path), "&& systemctl daemon-reload")
