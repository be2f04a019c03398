"""The log of how full the machine's file systems are. status and doctor tell from it when one will be full."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from operations.host import file, program, restart
from operations.host.rendering import render
from operations.host.unit_state import DISK_LOG, DISK_LOG_TIMER, is_enabled, is_running, properties

SERVICE = "deploy-disk-log.service"
PROGRAM = "/usr/local/libexec/deploy-disk-log"
_UNITS = "/etc/systemd/system"


def disk_log() -> None:
    """Note once an hour how full the machine's file systems are, by a timer of systemd."""
    program_text = program.text("disk_log.sh")
    file.put(name="Machine: log of disks: program", content=program_text, dest=PROGRAM, mode="755")
    (service_path, service), (path, timer) = units().items()
    file.put(name="Machine: log of disks: service", content=service, dest=service_path)
    written = file.put(name="Machine: log of disks: timer", content=timer, dest=path)
    restart.daemon_reload(
        name="Machine: log of disks: systemd reads its timer",
        unit=DISK_LOG_TIMER,
        path=path,
        content=timer,
        after=[written],
    )
    runs(name="Machine: log of disks: runs")


def units() -> dict[str, str]:
    """The files of the service and of its timer, by path."""
    return {
        f"{_UNITS}/{SERVICE}": render("deploy-disk-log.service.j2", program=PROGRAM, log=DISK_LOG),
        f"{_UNITS}/{DISK_LOG_TIMER}": render("deploy-disk-log.timer.j2"),
    }


@operation()
def runs() -> Generator[StringCommand]:
    """Start the timer, now and at boot."""
    unit = properties(DISK_LOG_TIMER)
    if is_running(unit) and is_enabled(unit):
        host.noop(f"{DISK_LOG_TIMER} runs")
        return
    yield StringCommand("systemctl daemon-reload && systemctl enable --quiet --now", DISK_LOG_TIMER)
