"""A machine's control groups. They hold every process of the machine, so they also serve to end all of them."""

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.sandbox.requirements import SandboxError
from tests.sandbox.slots import Slot


def create(slot: Slot) -> list[Path]:
    """Make the machine's groups and note them in its slot; a process joins by `join`."""
    groups = [path / slot.label for path in _parents()]
    (slot.directory / "cgroups").write_text("\n".join(map(str, groups)))
    for group in groups:
        group.mkdir()
        for name in ("cpuset.cpus", "cpuset.mems"):
            # In the first cgroup version, a cpuset accepts no process before it has processors and memory.
            if is_legacy() and (group / name).exists():
                (group / name).write_text((group.parent / name).read_text())
    return groups


def join(groups: list[Path]) -> None:
    """Put the calling process into the groups."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def remove(slot: Slot) -> None:
    """End every process in the machine's groups, then remove these. Raises SandboxError if that takes over 20 s."""
    listed = slot.directory / "cgroups"
    groups = [Path(line) for line in listed.read_text().splitlines()] if listed.exists() else []
    groups = [group for group in groups if group.exists()]
    for kill in (_kill_leader, _kill_all):
        deadline = time.monotonic() + 10
        while any(map(_processes, groups)) and time.monotonic() < deadline:
            for group in groups:
                kill(group)
            time.sleep(0.02)
    for group in groups:
        _remove_tree(group)


def leader(group: Path) -> int | None:
    """The machine's PID 1, or None without one."""
    return next(iter(sorted(pid for pid in _processes(group) if _is_first(pid))), None)


def is_legacy() -> bool:
    """Whether the host gives memory limits only to the first version of control groups, so a machine must use that."""
    return "memory" not in (_unified() / "cgroup.controllers").read_text().split()


def _parents() -> list[Path]:
    """The directories of the machine's groups, one for each hierarchy that it needs, the unified one first."""
    # The unified hierarchy allows no processes in inner groups, so a machine cannot live below its owner's group there.
    unified = _unified()
    if not is_legacy():
        for controller in ("cpu", "io", "memory", "pids"):
            _enable(unified, controller)
        return [unified]
    own: dict[frozenset[str], str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own[frozenset(controllers.split(","))] = path
    parents = [unified]
    for mount, options in _mounts("cgroup"):
        parents += [mount / path.lstrip("/") for names, path in own.items() if names <= options]
    return parents


def _unified() -> Path:
    mounted = _mounts("cgroup2")
    if not mounted:
        raise SandboxError("no cgroup2 file system is mounted")
    return mounted[0][0]


def _mounts(kind: str) -> list[tuple[Path, set[str]]]:
    """Mount point and options of each mounted control group file system of that kind."""
    fields = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return [(Path(field[1]), set(field[3].split(","))) for field in fields if field[2] == kind]


def _enable(parent: Path, controller: str) -> None:
    if controller in (parent / "cgroup.controllers").read_text().split():
        (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _processes(group: Path) -> list[int]:
    pids = []
    # Groups of ending services may disappear meanwhile; os.walk treats them as empty.
    for path, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            pids += [int(pid) for pid in Path(path, "cgroup.procs").read_text().split()]
    return pids


def _is_first(pid: int) -> bool:
    """Whether a process is the PID 1 of a process namespace right below ours."""
    try:
        namespaces = _namespace_pids(str(pid))
    except OSError:
        return False
    return len(namespaces) == len(_namespace_pids("self")) + 1 and namespaces[-1] == "1"


def _namespace_pids(process: str) -> list[str]:
    status = Path(f"/proc/{process}/status").read_text()
    return next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))


def _kill_leader(group: Path) -> None:
    """End the machine as the kernel does when its PID 1 dies; nspawn then cleans up after itself and ends, too."""
    pid = leader(group)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill_all(group: Path) -> None:
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")


def _remove_tree(group: Path) -> None:
    for path, _, _ in os.walk(group, topdown=False):
        Path(path).rmdir()
