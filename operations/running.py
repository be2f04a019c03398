"""Services that run what their files say.

Decided from the host's state, not from what this run changed: a run that was interrupted between writing a file and
restarting is mended by the next one.
"""

from collections.abc import Generator, Sequence
from hashlib import sha256

from pyinfra import host, state
from pyinfra.api import FactBase, QuoteString, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.files import Sha256File
from typing_extensions import override

from operations.plan import announce


class StaleFiles(FactBase[list[str] | None]):
    """Which of `paths` are newer than the running process of `service`; None when the service does not run.

    The time of the last status change is compared (ctime), which nobody can set back.
    """

    @staticmethod
    @override
    def default() -> list[str] | None:
        return None

    @override
    def command(self, service: str, paths: Sequence[str]) -> StringCommand:
        return StringCommand(
            "if systemctl is-active --quiet", QuoteString(service), "; then echo active;",
            "find", *[QuoteString(path) for path in paths], "-maxdepth 0 -newerct",
            '"$(systemctl show --timestamp=us+utc --property ExecMainStartTimestamp --value', QuoteString(service), ')"',
            "2>/dev/null || true; else echo inactive; fi",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> list[str] | None:
        return output[1:] if output[:1] == ["active"] else None


class UnitLoading(FactBase[list[str]]):
    """What systemd says of a unit: `NeedDaemonReload=yes` if the disk is newer, and `DropInPaths=` with what it has read.

    Empty for a unit it does not hold in memory, as one that is neither enabled nor running: such a one is read when asked
    for.
    """

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, unit: str) -> StringCommand:
        return StringCommand(
            "systemctl list-units --all --plain --no-legend", QuoteString(unit), "| grep -qF ' loaded '",
            "&& systemctl show --property NeedDaemonReload,DropInPaths", QuoteString(unit), "|| true",
        )  # fmt: skip

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def planned(after: Sequence[OperationMeta]) -> bool:
    """Whether this is the plan and one of the operations before will change something.

    While executing the host itself tells, so that the plan and what is then done agree.
    """
    return not state.is_executing and any(operation.will_change for operation in after)


@operation()
def restarted(service: str, files: Sequence[str], after: Sequence[OperationMeta] = ()) -> Generator[StringCommand]:
    """A running service is restarted once if one of its files is newer than its process; one that is stopped is left.

    + service: the unit's name with its suffix
    + files: paths it reads when it starts
    + after: operations that write them, for the plan
    """
    stale = host.get_fact(StaleFiles, service=service, paths=list(files))
    if stale is None:
        host.noop(f"{service} does not run")
    elif stale or planned(after):
        announce(f"Will restart {service}: it runs with what {', '.join(stale) or 'its files'} said before")
        # Otherwise systemd would refuse once too many starts, wanted or not, came before (StartLimitBurst=).
        yield StringCommand("systemctl reset-failed", QuoteString(service))
        yield StringCommand("systemctl restart", QuoteString(service))
    else:
        host.noop(f"{service} runs what its files say")


@operation()
def daemon_reloaded(
    unit: str, path: str, content: str, after: Sequence[OperationMeta] = ()
) -> Generator[StringCommand]:
    """systemd knows the unit as it is on disk.

    A process that started before, even after the file changed, runs what the older version said. So the file's time of
    status change becomes that of the reload, which `restarted` compares; its content and modification time stay.

    + unit: the unit's name with its suffix
    + path: its file
    + content: what the file holds by then, for the plan: a changed mode alone needs no reload
    + after: operations that take drop-ins away, for the plan
    """
    loading = host.get_fact(UnitLoading, unit=unit)
    rewritten = not state.is_executing and host.get_fact(Sha256File, path=path) != sha256(content.encode()).hexdigest()
    # Additions that systemd has not read and that are gone by then need no reload.
    if planned(after):
        read = any(line.startswith("DropInPaths=") and f"/{unit}.d/" in line for line in loading)
        needed = rewritten or read
    else:
        needed = rewritten or "NeedDaemonReload=yes" in loading
    if loading and needed:
        yield StringCommand("touch -a", QuoteString(path), "&& systemctl daemon-reload")
