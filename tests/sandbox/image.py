"""The root trees of machines and commands: built once by mmdebstrap, then cached outside the checkout."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from operations import machine
from operations.release import toolchain
from tests.sandbox.requirements import SandboxError, search_path

Release = Literal["trixie", "bookworm"]
Variant = Literal["machine", "elixir"]

RELEASES: tuple[Release, ...] = ("trixie", "bookworm")

# The packages of a minimal cloud Debian, without any that a deploy must install itself.
_BASE = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "ca-certificates",
    "iproute2",
    "procps",
)
_ELIXIR = ("elixir", "erlang-dev", "erlang-p1-pgsql")

# The packages that a deploy and a build of the example install on a machine.
_ARCHIVES = (*machine.PACKAGES, *toolchain.PACKAGES, "erlang-p1-pgsql")

# Without these options and without a network, apt would hang for minutes. The machines have no IPv6 to the outside.
_APT = (
    'Acquire::Retries "1"',
    'Acquire::http::Timeout "10"',
    'Acquire::https::Timeout "10"',
    'Acquire::ForceIPv4 "true"',
    'Acquire::Languages "none"',
)

# Run by mmdebstrap in the finished tree, while package lists and network are still there.
_CUSTOMIZE = Path(__file__).with_name("customize.sh").read_text()

# A command in namespaces of its own, which take its processes and mounts with them when it or this process is killed.
_UNSHARE = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")
_NAMESPACES = ("setpriv", "--pdeathsig", "KILL", *_UNSHARE)

# What `run_in` gives to a shell in such namespaces.
_RUN = Path(__file__).with_name("run_in.sh").read_text()


@dataclass(frozen=True)
class _Recipe:
    """Everything an image is made of; two equal recipes give one image.

    + base: key of the image it is a copy of; empty for one from mmdebstrap
    + include: packages to install
    + archives: packages to download alone
    """

    release: str
    base: str
    include: tuple[str, ...]
    archives: tuple[str, ...]
    apt: tuple[str, ...]
    customize: str

    @property
    def key(self) -> str:
        """A file name that is the same for equal recipes only."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{self.release}-{digest[:16]}"


def image(release: str, variant: Variant = "machine") -> Path:
    """The root tree of a Debian release; never write into it. Built on first use, in about a minute, with a network.

    It stays in $XDG_CACHE_HOME/deploy-sandbox (~/.cache/deploy-sandbox), about 450 MB each, until somebody removes it.

    + release: trixie or bookworm
    + variant: `machine` boots a minimal Debian with the user `devops`, who may sudo, and the .debs of a deploy in
      apt's cache, not installed; `elixir` has the Elixir compiler too and is for `run_in`
    """
    if release not in RELEASES:
        raise SandboxError(f"release {release!r} is not one of {', '.join(RELEASES)}")
    base = image(release) if variant == "elixir" else None
    recipe = _recipe(release, base)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deploy-sandbox"
    tree = cache / recipe.key
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{recipe.key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.exists():
            what = f"Debian {release} image" + (" with Elixir" if variant == "elixir" else "")
            print(f"building the {what}, about a minute…", file=sys.stderr, flush=True)
            _build(recipe, tree, _mmdebstrap(recipe) if base is None else _extension(recipe, base))
    return tree


def run_in(
    tree: Path,
    command: str,
    *,
    binds: Mapping[Path, tuple[str, bool]] | None = None,
    stdin: str | None = None,
    timeout: float = 600,
    network: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a shell command as root in a throwaway copy of an image. Its network is loopback, or the given one.

    Only writes to writable binds outlive the command. It starts in `/`. The result holds its exit code and output.

    + tree: result of `image`; several commands may use it at once
    + binds: host path to (path inside, read-only?)
    + stdin: standard input; empty by default
    + timeout: seconds until the command and its children are killed
    + network: file of a network namespace to run it in, such as a machine's /proc/PID/ns/net
    """
    enter = ("nsenter", f"--net={network}") if network else ("unshare", "--net")
    arguments = [str(tree), command]
    for host, (guest, read_only) in (binds or {}).items():
        arguments += [str(host.resolve()), guest, "ro" if read_only else "rw"]
    return subprocess.run(
        [*enter, *_NAMESPACES, "sh", "-c", _RUN, "run_in", *arguments],
        input=stdin or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def _recipe(release: str, base: Path | None) -> _Recipe:
    if base is not None:
        return _Recipe(release, base.name, _ELIXIR, (), (), "")
    return _Recipe(release, "", _BASE, _ARCHIVES, (*_APT, *_host_apt_options()), _CUSTOMIZE)


def _host_apt_options() -> tuple[str, ...]:
    """The host's options for outdated release files: a mirror with an old state then works for the image, too."""
    if not shutil.which("apt-config"):
        return ()
    names = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
    dump = subprocess.run(["apt-config", "dump", *names], capture_output=True, text=True, check=True)
    return tuple(line.rstrip(";") for line in dump.stdout.splitlines())


def _build(recipe: _Recipe, tree: Path, command: list[str]) -> None:
    """Build beside the final place and rename. Remains of an earlier, interrupted build are removed first.

    + command: makes the directory that is added to it as last argument
    """
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "tmp").mkdir(parents=True)
    command = [*_NAMESPACES, *command, str(partial / "tree")]
    environment = {**os.environ, "PATH": search_path(), "TMPDIR": str(partial / "tmp")}
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SandboxError(f"{command[len(_NAMESPACES)]} could not build the image:\n{result.stderr[-4000:]}")
        # Empty, not "uninitialized": systemd then makes an id at boot, but does not treat it as a first boot.
        (partial / "tree/etc/machine-id").write_text("")
        (partial / "tree").rename(tree)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _mmdebstrap(recipe: _Recipe) -> list[str]:
    """The command without its target. It names no mirror, so mmdebstrap uses its default or the host's."""
    download = f'chroot "$1" apt-get install --download-only --no-install-recommends --yes {" ".join(recipe.archives)}'
    command = ["mmdebstrap", "--variant=minbase", "--format=directory", f"--include={','.join(recipe.include)}"]
    command += [f"--aptopt={option}" for option in recipe.apt]
    command += [f"--customize-hook={recipe.customize}"]
    if recipe.archives:
        command += [f"--customize-hook={download}", "--skip=cleanup/apt"]
    return [*command, recipe.release]


def _extension(recipe: _Recipe, base: Path) -> list[str]:
    """The command that copies an image and installs packages there from apt's cache, without a network."""
    return [str(Path(__file__).with_name("extend_image.sh")), str(base), " ".join(recipe.include)]
