"""A machine's root file system: an overlay over its image, written to memory, so that syncing costs nothing."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.slots import Slot


def create(slot: Slot, image: Path, layers: Sequence[Path]) -> Path:
    """Mount the root over the image and the layers, lowest first; returns it."""
    memory = _memory(slot)
    memory.mkdir()
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(memory))
    for name in ("upper", "work", "root"):
        (memory / name).mkdir()
    lower = ":".join(str(path) for path in [*reversed(layers), image])
    # With redirects a directory of the image can be renamed, as on any other disk.
    options = f"lowerdir={lower},upperdir={memory / 'upper'},workdir={memory / 'work'},redirect_dir=on"
    _mount("-t", "overlay", "-o", options, "overlay", str(memory / "root"))
    return memory / "root"


def upper(slot: Slot) -> Path:
    """The machine's changes over its image and layers. After the machine has stopped, others can use them as a layer."""
    return _memory(slot) / "upper"


def unmount_root(slot: Slot) -> None:
    """Unmount the root. After that the upper directory does not change."""
    subprocess.run(["umount", str(_memory(slot) / "root")], check=True, capture_output=True, text=True)


def remove(slot: Slot) -> None:
    """Remove the whole file system, also after half a `create`."""
    memory = _memory(slot)
    for path in (memory / "root", memory):
        # A lazy unmount: a process with an open file must not block it.
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)
    # nspawn leaves a directory for each machine here.
    shutil.rmtree(Path("/run/systemd/nspawn/propagate") / slot.label, ignore_errors=True)


def _memory(slot: Slot) -> Path:
    return slot.directory / "disk"


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
