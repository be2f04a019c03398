"""A machine's root file system: an overlay over its image.

It is written to memory, so that syncing costs nothing. A disk that forgets is ext4 in an image file in that memory: after a
power cut it has what was synced, and what its journal and its writeback had brought there by then, as any disk.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.forgetful import ForgetfulDisk, run
from tests.sandbox.slots import Slot


def create(slot: Slot, image: Path, layers: Sequence[Path], *, forgets: bool = False) -> Path:
    """Mount the root over the image and the layers, lowest first; returns it.

    + forgets: whether a power cut loses what was not synced
    """
    memory = _memory(slot)
    memory.mkdir()
    _mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(memory))
    for name in ("written", "root"):
        (memory / name).mkdir()
    if forgets:
        forgetful(slot).create()
    for name in ("upper", "work"):
        (memory / "written" / name).mkdir()
    return _mount_root(slot, image, layers)


def forgetful(slot: Slot) -> ForgetfulDisk:
    """The disk of a machine that forgets."""
    return ForgetfulDisk(_memory(slot) / "image", _memory(slot) / "written")


def remount(slot: Slot, image: Path, layers: Sequence[Path]) -> Path:
    """Mount the disk again after a cut, when the machine was killed; returns the root."""
    run("umount", "--lazy", str(_memory(slot) / "root"))
    forgetful(slot).remount()
    return _mount_root(slot, image, layers)


def upper(slot: Slot) -> Path:
    """The machine's changes over its image and layers. After the machine has stopped, others can use them as a layer."""
    return _memory(slot) / "written" / "upper"


def unmount_root(slot: Slot) -> None:
    """Unmount the root. After that the upper directory does not change."""
    subprocess.run(["umount", str(_memory(slot) / "root")], check=True, capture_output=True, text=True)


def remove(slot: Slot) -> None:
    """Remove the whole file system, also after half a `create`."""
    memory = _memory(slot)
    for path in (memory / "root", memory / "written", memory):
        # A lazy unmount: a process with an open file must not block it.
        subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=False)
    # nspawn leaves a directory for each machine here.
    shutil.rmtree(Path("/run/systemd/nspawn/propagate") / slot.label, ignore_errors=True)


def _mount_root(slot: Slot, image: Path, layers: Sequence[Path]) -> Path:
    memory = _memory(slot)
    lower = ":".join(str(path) for path in [*reversed(layers), image])
    # With redirects a directory of the image can be renamed, as on any other disk.
    options = f"lowerdir={lower},upperdir={upper(slot)},workdir={memory / 'written' / 'work'},redirect_dir=on"
    _mount("-t", "overlay", "-o", options, "overlay", str(memory / "root"))
    return memory / "root"


def _memory(slot: Slot) -> Path:
    return slot.directory / "disk"


def _mount(*arguments: str) -> None:
    run("mount", *arguments)
