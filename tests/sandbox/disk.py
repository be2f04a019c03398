"""A machine's root file system: an overlay over its image.

It is written to memory, so that syncing costs nothing. A disk that forgets is ext4 in an image file in that memory: after a
power cut it has what was synced, and what its journal and its writeback had brought there by then, as any disk.
"""

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.slots import Slot

# Of the image file, which takes memory for what is written.
_SIZE = 6 * 1024**3

# linux/fs.h and ext4.h: EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. From then on the file system writes nothing.
_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = struct.pack("I", 2)

# Seconds until the last process of a killed machine has let its file system go.
_PATIENCE = 20


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
        with _image(slot).open("wb") as file:
            file.truncate(_SIZE)
        _run("mkfs.ext4", "-q", "-m", "0", str(_image(slot)))
        _mount("-o", "loop", str(_image(slot)), str(memory / "written"))
    for name in ("upper", "work"):
        (memory / "written" / name).mkdir()
    return _mount_root(slot, image, layers)


def sync(slot: Slot) -> None:
    """What was written until now is on the disk."""
    _run("sync", "--file-system", str(_memory(slot) / "written"))


def cut(slot: Slot) -> None:
    """From now on the disk takes nothing, as without power. The machine's processes get errors until they are killed."""
    descriptor = os.open(_memory(slot) / "written", os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSH)
    finally:
        os.close(descriptor)


def remount(slot: Slot, image: Path, layers: Sequence[Path]) -> Path:
    """Mount the disk again after a cut, when the machine was killed; returns the root."""
    memory = _memory(slot)
    for path in (memory / "root", memory / "written"):
        _unmount(path)
    _mount("-o", "loop", str(_image(slot)), str(memory / "written"))
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


def _unmount(path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while subprocess.run(["umount", str(path)], capture_output=True, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise OSError(f"{path} is in use")
        time.sleep(0.05)


def _memory(slot: Slot) -> Path:
    return slot.directory / "disk"


def _image(slot: Slot) -> Path:
    return _memory(slot) / "image"


def _mount(*arguments: str) -> None:
    _run("mount", *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
