"""Requirements of the computer that runs the machines."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

# Debian packages, each with a program that proves its presence (None: a file does, see `missing`).
_PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-container": "systemd-nspawn",
    "nftables": "nft",
    "iproute2": "ip",
    "openssh-client": "ssh-keygen",
    "util-linux": "nsenter",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Tests without a machine run these.
_OF_TESTS = ("git-lfs", "rsync")

REQUIRED_PACKAGES: tuple[str, ...] = (*_PROGRAMS, "debian-archive-keyring", *_OF_TESTS)


class SandboxError(Exception):
    """No machine is possible. The message tells a person what to do."""


def check() -> None:
    """Return if machines can run here. Otherwise raise SandboxError with everything that is missing, and with advice."""
    problems, packages = _problems(), _missing_packages()
    if packages:
        problems.append(f"packages are missing; install them with: apt-get install {' '.join(packages)}")
    if problems:
        raise SandboxError(
            f"no sandbox machine can run here: {'; '.join(problems)}.\n"
            "Instead, the HOST line in inventory.py can name any Debian 12 or 13 host you reach over ssh."
        )


def search_path() -> str:
    """PATH with the sbin directories: nft and ip can be there, and a user's PATH may not have them."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _problems() -> list[str]:
    if sys.platform != "linux":
        return [f"it needs Linux, this is {sys.platform}"]
    problems = []
    if os.geteuid() != 0:
        problems.append("it needs root (namespaces, mounts, a network); try sudo")
    elif not _overlayfs():
        problems.append("the kernel has no overlayfs")
    if "cgroup2" not in Path("/proc/self/mounts").read_text():
        problems.append("no cgroup2 file system is mounted")
    return problems


def _missing_packages() -> list[str]:
    if sys.platform != "linux":
        return []
    missing = [package for package, program in _PROGRAMS.items() if not shutil.which(program, path=search_path())]
    return missing if _KEYRING.exists() else [*missing, "debian-archive-keyring"]


def _overlayfs() -> bool:
    file_systems = Path("/proc/filesystems")
    if "overlay" not in file_systems.read_text() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", "overlay"], check=False)
    return "overlay" in file_systems.read_text()
