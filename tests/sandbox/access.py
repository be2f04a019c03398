"""SSH access to a machine: throwaway keys, pinned before the first connection."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.sandbox.slots import Record, Slot

_IDENTITY = "id_ed25519"
_FILES = ("ssh_config", "known_hosts", _IDENTITY, f"{_IDENTITY}.pub")

# The quotes allow paths with spaces; ConnectTimeout is in seconds.
_SSH_CONFIG = """\
Host {name}
    HostName {address}
    User devops
    IdentityFile "{directory}/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "{directory}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 10
"""


def create(slot: Slot, record: Record, root: Path) -> None:
    """Give the machine its name, host key and resolver, and the owner's directory the files to connect with."""
    directory = Path(record.directory)
    remove(record)
    directory.mkdir(parents=True, exist_ok=True)
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    for stale in (host_key, host_key.with_suffix(".pub")):
        stale.unlink(missing_ok=True)
    _generate(host_key, f"root@{record.name}")
    _generate(directory / _IDENTITY, f"devops@{record.name}")
    _authorize(root, (directory / f"{_IDENTITY}.pub").read_text())
    pinned = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
    (directory / "known_hosts").write_text(f"{slot.address} {pinned}\n")
    config = _SSH_CONFIG.format(name=record.name, address=slot.address, directory=directory)
    (directory / "ssh_config").write_text(config)
    _hand_over(directory)
    _name(root, record.name)


def remove(record: Record) -> None:
    """Remove the files for connections from the owner's directory, and the directory, unless it holds something else."""
    directory = Path(record.directory)
    for name in _FILES:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _generate(path: Path, comment: str) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _authorize(root: Path, key: str) -> None:
    directory = root / "home/devops/.ssh"
    directory.mkdir(mode=0o700, exist_ok=True)
    (directory / "authorized_keys").write_text(key)
    home = directory.parent.stat()
    for path in (directory, directory / "authorized_keys"):
        os.chown(path, home.st_uid, home.st_gid)


def _hand_over(directory: Path) -> None:
    """Give the files to the owner of the folder around them, so that a user of sudo can connect without it."""
    owner = directory.parent.stat()
    for path in (directory, *(directory / name for name in _FILES)):
        os.chown(path, owner.st_uid, owner.st_gid)


def _name(root: Path, name: str) -> None:
    (root / "etc/hostname").write_text(f"{name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    # systemd-resolved answers on a loopback address of the host. Another file names its own servers.
    resolved = Path("/run/systemd/resolve/resolv.conf")
    shutil.copyfile(resolved if resolved.exists() else "/etc/resolv.conf", resolver)
