"""The list of machines. A slot is a number; names and addresses follow from it, so that no two machines collide.

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
    """A machine's number, and the names derived from it."""

    number: int

    @property
    def directory(self) -> Path:
        """The directory of all files of the machine, except the owner's. It is removed with the machine."""
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
        """The file with the host's process id of the machine's PID 1. It is absent while the machine does not run."""
        return self.directory / "leader"

    @property
    def stopped_file(self) -> Path:
        """This file exists after the machine has stopped for good and its disk does not change."""
        return self.directory / "stopped"

    @property
    def cut_file(self) -> Path:
        """This file exists from a power cut until the disk is mounted again."""
        return self.directory / "cut"

    @property
    def console_file(self) -> Path:
        """The output of nspawn and of the machine's console."""
        return self.directory / "console"


@dataclass(frozen=True)
class Record:
    """The order for a keeper. The slot keeps it as long as the machine exists.

    + name: host name, and Host in ssh_config
    + image: root tree of the machine
    + layers: upper directories of stopped machines over that tree, lowest first
    + directory: the owner's directory for ssh_config and keys
    + keeper: process id of the keeper, 0 before it starts
    + forgets: whether its disk loses in a power cut what was not synced
    """

    name: str
    release: str
    image: str
    layers: tuple[str, ...]
    directory: str
    keeper: int = 0
    forgets: bool = False

    def dumps(self) -> str:
        """The record as JSON for `loads`."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> "Record":
        """The record from the JSON of `dumps`."""
        fields = json.loads(text)
        return cls(**{**fields, "layers": tuple(fields["layers"])})


@contextmanager
def registry() -> Iterator[None]:
    """Lock the list of slots for the block."""
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
    """Every slot with a directory, with a living keeper or without one."""
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
