"""A directory of a machine on a small file system of its own, where room ends and comes back."""

from dataclasses import dataclass

from tests.sandbox.machine import Machine

# By what is gone: the commands that take it, and those that give it back. $place is the directory.
_TAKE = {
    "bytes": (
        "used=$(df --block-size=1K --output=used $place | tail -n 1); mount -o remount,size=$((used + 200))k $place; "
        "head -c 5M /dev/zero > $place/.filling; for n in 1 2 3; do head -c 4096 /dev/zero > $place/.filling$n; done"
    ),
    "inodes": (
        "used=$(df --output=iused $place | tail -n 1); mount -o remount,nr_inodes=$((used + 3)) $place; "
        "for n in 1 2 3 4 5 6; do : > $place/.filling$n; done"
    ),
    "read-only": "mount -o remount,bind,ro $place",
}
_GIVE = (
    "mount -o remount,bind,rw $place; rm -f $place/.filling*; mount -o remount,size=1G,nr_inodes=1000000 $place; "
    "rm -f $place/.filling*"
)

# The mount's own root has the owner and the mode of the directory. Programs with open files would go on with the one below.
_CREATE = (
    "case $place in /var/lib/postgresql) systemctl stop postgresql ;; esac && "
    "mkdir -p $place /mnt/small && mount -t tmpfs -o size=1G none /mnt/small && cp -a $place/. /mnt/small/ && "
    "chown --reference=$place /mnt/small && chmod --reference=$place /mnt/small && mount --bind /mnt/small $place && "
    "umount /mnt/small && "
    "case $place in /var/log) systemctl restart systemd-journald ;; "
    "/var/lib/postgresql) systemctl start postgresql ;; esac"
)


@dataclass(frozen=True)
class SmallDisk:
    """The file system, from `create` to the end of the machine.

    + machine: that has it
    + place: absolute path of the directory
    """

    machine: Machine
    place: str

    def create(self) -> None:
        """Move the directory there, with what is in it; nothing happens if it is a tmpfs of its own."""
        there = self.machine.run(f"findmnt -n -o FSTYPE --mountpoint {self.place}", check=False).stdout.strip()
        if there != "tmpfs":
            self._run(_CREATE)

    def take_room(self, kind: str) -> None:
        """Room ends.

        + kind: bytes, inodes or read-only
        """
        self._run(_TAKE[kind])

    def limit(self, mebibytes: int) -> None:
        """No more than that can be written from now on."""
        used = "$(df --block-size=1M --output=used $place | tail -n 1)"
        self._run(f"mount -o remount,size=$(({used} + {mebibytes}))m $place")

    def make_room(self) -> None:
        """The operator mends it."""
        self._run(_GIVE)

    def _run(self, commands: str) -> None:
        self.machine.run(f"place={self.place}; {commands}", check=commands is _CREATE)
