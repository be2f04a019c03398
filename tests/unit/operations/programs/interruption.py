"""Ends switch.sh in the middle of a step."""

import os
import signal
import time

from tests.unit.operations.programs.stubs import StubHost

# Steps, by the stub that stands still there: its name and the pattern of the arguments with which it does.
STEPS = {
    "asking for migrations": ("systemd-run", "*LIST*"),
    "backup": ("runuser", "*pg_dump*"),
    "migration": ("systemd-run", "*UP*"),
    "link": ("ln", "*"),
    "renaming the link": ("mv", '*" billing"'),
    "restart": ("systemctl", "restart*"),
    "waiting for health": ("curl", "*"),
    "asking the node": ("node", "*"),
    "settling": ("sleep", "1"),
}

# Of the end, which is interrupted too.
LATER = {"going back": ("systemctl", '"stop billing_stage.service"')}


def stand_still(host: StubHost, name: str, pattern: str) -> None:
    """The command notes that it is reached, and waits; not a second time."""
    path = host.bin / name
    body = f'exec {path.readlink()} "$@"' if path.is_symlink() else path.read_text().partition('calls"\n')[2]
    stops = '[ -e "$HOST/reached" ] || { : > "$HOST/reached"; exec /bin/sleep 60; }'
    host.stub(name, f'case "$*" in {pattern}) {stops} ;; esac\n{body}')


def interrupt(host: StubHost, step: str, *arguments: str, number: int = signal.SIGKILL) -> None:
    """The whole unit gets a signal in the middle of a step, as systemd ends one."""
    stand_still(host, *(STEPS | LATER)[step])
    interrupt_there(host, *arguments, number=number)


def interrupt_there(host: StubHost, *arguments: str, number: int = signal.SIGKILL) -> None:
    """The whole unit gets a signal where the host stands still."""
    action = host.start(*arguments)
    deadline = time.monotonic() + 20
    while not (host.path / "reached").exists():
        assert time.monotonic() < deadline, action.communicate()
        assert action.poll() is None, action.communicate()
        time.sleep(0.01)
    os.killpg(action.pid, number)
    action.communicate()
