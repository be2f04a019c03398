"""A disk that forgets: ext4 in an image file. A power cut leaves what was synced, and what had reached the disk by then."""

import fcntl
import os
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Bytes of the image file, which takes memory or disk for what is written.
SIZE = 6 * 1024**3

# linux/fs.h and ext4.h: EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH. From then on the file system writes nothing.
_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = struct.pack("I", 2)


@dataclass(frozen=True)
class ForgetfulDisk:
    """The disk.

    + image: file that holds it
    + place: directory where it is mounted
    + options: of mount, beside that for a loop device
    """

    image: Path
    place: Path
    options: str = "rw"

    def create(self, size: int = SIZE) -> None:
        """Make the file system, and mount it.

        + size: in bytes
        """
        with self.image.open("wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-m", "0", str(self.image))
        self.place.mkdir(exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """Mount it, after `create` or after a cut."""
        run("mount", "-o", f"loop,{self.options}", str(self.image), str(self.place))

    def sync(self) -> None:
        """What was written until now survives a cut."""
        run("sync", "--file-system", str(self.place))

    def commit_names(self) -> None:
        """The journal is written, as every five seconds: names, without the content of files that nobody synced."""
        path = self.place / ".commit"
        path.touch()
        run("sync", str(path))

    def cut(self) -> None:
        """From now on the disk takes nothing, as without power. Processes get errors until they are killed."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _WITHOUT_FLUSH)
        finally:
            os.close(descriptor)

    def remount(self) -> None:
        """Mount it again after a cut, when its processes were killed.

        A copy of the image is mounted: other mount namespaces of this computer may hold the file system that was shut
        down, and the kernel would give it back. Nor does the copy have what only the memory of the block device had.
        """
        run("umount", "--lazy", str(self.place))
        self.replace(self.image)

    def replace(self, image: Path) -> None:
        """Mount a copy of an image, when nothing is mounted.

        + image: file that holds the disk
        """
        copied = self.image.with_suffix(".copy")
        run("cp", "--sparse=always", str(image), str(copied))
        copied.rename(self.image)
        self.mount()


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True, capture_output=True, text=True)
