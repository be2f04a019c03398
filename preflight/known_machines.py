"""What this repository remembers of its environments: which machine each was prepared on.

`machines.txt` beside the vaults has a line for each, without secrets, and is committed. So an environment that leaves the
inventory is not forgotten: its application, database and secrets stay on the machine until somebody removes them.
"""

from collections.abc import Generator, Iterable
from pathlib import Path
from typing import NamedTuple

from pyinfra import host, state
from pyinfra.api import Host, StringCommand, operation

from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of
from group_data.schema.paths import CHECKOUT

_HEADER = """\
# Application, environment and machine of what was prepared. Apply adds lines: commit them. When an environment is gone,
# make drift names what is left of it; a line goes when nothing is left.
"""


class Entry(NamedTuple):
    """An environment that was prepared on a machine.

    + app: name of the application
    + environment: short name
    + machine: address, with the port of its sshd if that is not 22
    """

    app: str
    environment: str
    machine: str

    @property
    def line(self) -> str:
        """Its line in the file."""
        return " ".join(self)


def path_of(environment: Environment) -> Path:
    """The file of an environment's repository: beside its vault.

    + environment: any
    """
    return CHECKOUT / environment.vault_directory / "machines.txt"


def read(path: Path) -> list[Entry]:
    """The entries of a file; none if there is no such file. Lines that are no entries are left out.

    + path: of the file
    """
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    words = [line.split() for line in lines if not line.startswith("#")]
    return [Entry(*fields) for fields in words if len(fields) == len(Entry._fields)]


def address(host: Host) -> str:
    """The machine of an inventory host, as an entry names it.

    + host: of the inventory
    """
    machine = machine_of(host)
    return machine.address if machine.port == 22 else f"{machine.address}:{machine.port}"


def entries(environments: Iterable[tuple[Host, Environment]]) -> set[Entry]:
    """The entries that the data makes.

    + environments: with their hosts
    """
    return {Entry(environment.app, environment.environment, address(host)) for host, environment in environments}


@operation()
def remember(environment: Environment) -> Generator[StringCommand]:
    """Write the line of an environment. No plan lists this step, because it changes nothing on the host.

    + environment: of this host
    """
    host.noop("the line is there")
    entry, path = Entry(environment.app, environment.environment, address(host)), path_of(environment)
    if state.is_executing:
        add(path, entry)
    yield from ()


def add(path: Path, entry: Entry) -> None:
    """Write an entry into a file, unless it is there.

    + path: of the file
    + entry: to add
    """
    if entry in read(path):
        return
    text = path.read_text() if path.is_file() else _HEADER
    # An editor may have left the last line without its end.
    text += "\n" if text and not text.endswith("\n") else ""
    new = path.with_name(f"{path.name}.new")
    new.write_text(f"{text}{entry.line}\n")
    new.replace(path)
