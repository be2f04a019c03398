"""The process that owns one machine: `python -m tests.sandbox.keeper RECORD`, with the JSON of slots.Record.

It makes the machine, says {"slot": NUMBER} (or {"error": MESSAGE}) on standard output, boots the machine, and boots it
again whenever it reboots. It takes all of it down on SIGTERM, or when its standard input ends: the owner holds the
other end of that pipe, so the machine goes when the owner goes, however that ends. After the line "detach" on standard
input, only SIGTERM counts.
"""

import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from tests.sandbox import access, cgroups, disk, network, slots
from tests.sandbox.requirements import SandboxError
from tests.sandbox.slots import Record, Slot

# nspawn's exit status if the machine asked for a reboot, outside the host's systemd.
_REBOOT = 133

# If only the first version of control groups can limit anything, systemd must use it; release 257 of Debian 13 refuses
# without this option. nspawn mounts that version read-only, so it must become writable first.
_LEGACY_INIT = (
    'for group in /sys/fs/cgroup/*/; do mount -o remount,bind,rw "$group"; done; exec /lib/systemd/systemd "$@"'
)
_LEGACY_OPTION = "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1"


class _EndedError(Exception):
    """The owner is gone, or asked for the end."""


def main() -> int:
    """Own one machine until its owner is gone."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    record = dataclasses.replace(Record.loads(sys.argv[1]), keeper=os.getpid())
    with slots.registry():
        reap()
        slot, lock = slots.claim(record)
        network.forward(on=True)
    with lock:
        _log(slot)
        try:
            root = _create(slot, record)
            _say(slot=slot.number)
            _run(slot, record, root)
        except _EndedError:
            return 0
        except (SandboxError, OSError, subprocess.CalledProcessError) as error:
            _say(error=f"{error}\n{getattr(error, 'stderr', None) or ''}".strip())
            return 1
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            _remove(slot, record)
            with slots.registry():
                _forget(slot)
    return 0


def reap() -> None:
    """Take down machines whose keeper was killed. Within `slots.registry()`."""
    for slot in slots.all_slots():
        if not slots.is_alive(slot):
            record = slot.directory / "record.json"
            _remove(slot, Record.loads(record.read_text()) if record.exists() else None)
            _forget(slot)


def _create(slot: Slot, record: Record) -> Path:
    network.create(slot)
    root = disk.create(slot, Path(record.image), _layers(record), forgets=record.forgets)
    access.create(slot, record, root)
    if record.forgets:
        disk.forgetful(slot).sync()
    return root


def _layers(record: Record) -> list[Path]:
    return [Path(layer) for layer in record.layers]


def _run(slot: Slot, record: Record, root: Path) -> None:
    """Run the machine until the owner is gone. A machine that stopped by itself leaves its disk behind, unmounted."""
    inputs = [sys.stdin.fileno()]
    status = _REBOOT
    while status == _REBOOT or slot.cut_file.exists():
        if slot.cut_file.exists():
            root = disk.remount(slot, Path(record.image), _layers(record))
            slot.cut_file.unlink()
        status = _boot(slot, record, root, inputs)
    disk.unmount_root(slot)
    slot.stopped_file.touch()
    _wait(None, inputs)


def _boot(slot: Slot, record: Record, root: Path, inputs: list[int]) -> int:
    """Boot the machine and return nspawn's exit status when it has stopped."""
    cgroups.remove(slot)
    groups = cgroups.create(slot)
    with slot.console_file.open("a") as console:
        nspawn = subprocess.Popen(
            _command(slot, record, root),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: cgroups.join(groups),
        )
    while (leader := cgroups.leader(groups[0])) is None and nspawn.poll() is None:
        _wait(None, inputs, timeout=0.02)
    slot.leader_file.write_text(str(leader or ""))
    _wait(nspawn, inputs)
    slot.leader_file.unlink()
    return nspawn.wait()


def _command(slot: Slot, record: Record, root: Path) -> list[str]:
    legacy = ["/bin/sh", "-c", _LEGACY_INIT, "init", _LEGACY_OPTION]
    return [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        f"--machine={slot.label}",
        f"--hostname={record.name}",
        f"--directory={root}",
        f"--network-namespace-path=/run/netns/{slot.label}",
        # As on a real machine: for firewalls in that namespace.
        "--capability=CAP_NET_ADMIN",
        "--kill-signal=SIGRTMIN+3",
        "--console=pipe",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        *(legacy if cgroups.is_legacy() else ["/lib/systemd/systemd"]),
    ]


def _wait(nspawn: subprocess.Popen[bytes] | None, inputs: list[int], timeout: float | None = None) -> None:
    """Return when nspawn has ended, or after the timeout in seconds. Raises _EndedError when the owner is gone."""
    ended = [os.pidfd_open(nspawn.pid)] if nspawn else []
    try:
        while True:
            ready, _, _ = select.select([*inputs, *ended], [], [], timeout)
            if set(ready) & set(inputs):
                if not os.read(inputs[0], 64):
                    raise _EndedError
                inputs.clear()  # "detach"
            if set(ready) & set(ended) or timeout is not None:
                return
    finally:
        for descriptor in ended:
            os.close(descriptor)


def _remove(slot: Slot, record: Record | None) -> None:
    """Remove all parts of the machine. If one part fails, the others are still removed."""
    with contextlib.ExitStack() as stack:
        stack.callback(network.remove, slot)
        stack.callback(disk.remove, slot)
        if record:
            stack.callback(access.remove, record)
        stack.callback(cgroups.remove, slot)


def _forget(slot: Slot) -> None:
    if slots.free(slot):
        network.forward(on=False)


def _log(slot: Slot) -> None:
    """Send errors to the console file: the owner's pipe for them may close long before the machine ends."""
    with slot.console_file.open("a") as console:
        os.dup2(console.fileno(), sys.stderr.fileno())


def _say(**message: object) -> None:
    print(json.dumps(message), flush=True)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise _EndedError


if __name__ == "__main__":
    sys.exit(main())
