"""Which machines exist. A slot is a number; names and addresses follow from it, so that no two machines collide.

Each machine has the directory /run/deploy-sandbox/NUMBER, and its keeper holds a lock on the file `lock` in it for as
long as it lives. A directory whose lock is free belonged to a keeper that was killed.
"""

import fcntl
import ipaddress
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from tests.sandbox.requirements import SandboxError

STATE = Path("/run/deploy-sandbox")
_LOCK = Path("/run/deploy-sandbox.lock")

# Each slot takes four addresses (a /30) of this range.
_NETWORK = ipaddress.ip_network("10.213.0.0/22")


@dataclass(frozen=True)
class Slot:
    """A machine's number and what follows from it."""

    number: int

    @property
    def directory(self) -> Path:
        """Holds everything about the machine that is not the owner's; gone when the machine is."""
        return STATE / str(self.number)

    @property
    def label(self) -> str:
        """Name of its network namespace, control group, nftables table and nspawn machine; at most 15 characters."""
        return f"sandbox-{self.number}"

    @property
    def subnet(self) -> str:
        """The /30 of the cable, which begins with the address before the gateway's."""
        return str(ipaddress.ip_interface(f"{self.gateway}/30").network)

    @property
    def gateway(self) -> str:
        """The host's end of the cable, an IPv4 address."""
        return str(_NETWORK[4 * self.number + 1])

    @property
    def address(self) -> str:
        """The machine's IPv4 address."""
        return str(_NETWORK[4 * self.number + 2])

    @property
    def leader_file(self) -> Path:
        """Holds the process id of the machine's PID 1, as the host sees it; absent while the machine is not running."""
        return self.directory / "leader"

    @property
    def stopped_file(self) -> Path:
        """Exists once the machine has stopped for good and its disk is at rest."""
        return self.directory / "stopped"

    @property
    def console_file(self) -> Path:
        """What nspawn and the machine's console said."""
        return self.directory / "console"


@dataclass(frozen=True)
class Record:
    """What was asked of a keeper, kept in its slot as long as the machine exists.

    + name: host name and ssh_config's Host
    + image: root tree it boots from
    + layers: upper directories of stopped machines over that tree, lowest first
    + directory: where the owner finds ssh_config and keys
    + keeper: process id of the keeper, 0 in what the keeper is given
    """

    name: str
    release: str
    image: str
    layers: tuple[str, ...]
    directory: str
    keeper: int = 0

    def dumps(self) -> str:
        """As JSON, which `loads` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> "Record":
        """What `dumps` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "layers": tuple(fields["layers"])})


@contextmanager
def registry() -> Iterator[None]:
    """Nobody else claims or frees a slot meanwhile."""
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def claim(record: Record) -> tuple[Slot, IO[str]]:
    """Take the lowest free number, within `registry()`. The machine counts as alive until the returned file is closed."""
    number = next(number for number in range(_NETWORK.num_addresses // 4 + 1) if not (STATE / str(number)).exists())
    if number >= _NETWORK.num_addresses // 4:
        raise SandboxError(f"all {number} sandbox machines this computer has room for exist already")
    slot = Slot(number)
    slot.directory.mkdir(parents=True, mode=0o755)
    lock = (slot.directory / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (slot.directory / "record.json").write_text(record.dumps())
    return slot, lock


def free(slot: Slot) -> bool:
    """Forget the slot, within `registry()`. True if it was the last one."""
    shutil.rmtree(slot.directory)
    last = not any(STATE.iterdir())
    if last:
        STATE.rmdir()
    return last


def all_slots() -> list[Slot]:
    """Every slot with a directory, its keeper alive or not."""
    return [Slot(int(path.name)) for path in sorted(STATE.iterdir())] if STATE.exists() else []


def is_alive(slot: Slot) -> bool:
    """Whether the slot's keeper lives."""
    try:
        with (slot.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def find(directory: Path) -> tuple[Slot, Record] | None:
    """The living machine whose owner's directory this is."""
    with registry():
        for slot in filter(is_alive, all_slots()):
            record = Record.loads((slot.directory / "record.json").read_text())
            if Path(record.directory) == directory:
                return slot, record
    return None
