"""The dumps of an environment's database on its host, and the choice of one to restore."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import pin

# Stands in each word that nobody wrote down.
UNKNOWN = "?"


class Dump(NamedTuple):
    """A dump of the database. A word that nobody wrote down is "?".

    + number: its place in the order of dumps; 0 for one that this project did not make, or an earlier version of it
    + name: of the file
    + migrations: applied when it was made, with spaces between
    + running: version that ran
    + version: release before which it was made
    + time: ISO 8601, UTC
    + size: in bytes
    + sha256: of the file
    """

    number: int
    name: str
    migrations: str
    running: str
    version: str
    time: str
    size: str
    sha256: str

    def described(self) -> str:
        """One line for people."""
        words = [self.name]
        if self.size.isdecimal():
            words.append(f"{int(self.size) / 2**20:.1f} MiB")
        if self.time != UNKNOWN:
            words.append(f"of {self.time}, while {self.running or 'no release'} ran")
        if self.migrations != UNKNOWN:
            applied = self.migrations.split()
            words.append(f"migrations up to {applied[-1]}" if applied else "no migrations")
        return ", ".join(words)


class Dumps(NamedTuple):
    """What an environment could be taken back to.

    + dumps: the oldest first
    + kept: databases from before a restore, the oldest first
    + going: those of them that the next restore removes
    """

    dumps: list[Dump]
    kept: list[str]
    going: frozenset[str] = frozenset()


class DumpsOnHost(FactBase[Dumps]):
    """The dumps of a database, and the databases that restores kept; none on a host that is not prepared."""

    @staticmethod
    @override
    def default() -> Dumps:
        return Dumps([], [])

    @override
    def command(self, directory: str, database: str, port: int) -> StringCommand:
        return program.command("list_dumps.sh", directory, database, str(port))

    @override
    def process(self, output: list[str]) -> Dumps:
        dumps, kept, going = [], [], set()
        for line in output:
            kind, *words = line.split("\t")
            if kind == "dump" and len(words) == len(Dump._fields):
                dumps.append(Dump(int(words[0]), *words[1:]))
            elif kind == "kept":
                name, goes = words
                kept.append(name)
                if goes == "t":
                    going.add(name)
        return Dumps(dumps, kept, frozenset(going))


def paths(environment: Environment) -> dict[str, Any]:
    """Arguments of `DumpsOnHost`."""
    database = environment.database if environment.database_managed else ""
    return {"directory": environment.backups_path, "database": database, "port": environment.database_port}


def read(environment: Environment) -> Dumps:
    """The environment's dumps on the host of this deploy.

    Raises DeployError if its database is managed elsewhere.
    """
    if not environment.database_managed:
        raise DeployError(
            f"the database of {environment.environment} is managed elsewhere (database_managed = False), and so are its "
            "dumps: docs/database.md tells how to restore one there. Nothing was changed"
        )
    dumps: Dumps = host.get_fact(DumpsOnHost, **paths(environment))
    return dumps


def choose(environment: Environment, wanted: str, dumps: Sequence[Dump]) -> Dump:
    """The dump to restore.

    + environment: of the restore
    + wanted: by the operator: a name, with or without its ending, or the number in it
    + dumps: on the host, the oldest first

    Raises DeployError with the list of dumps when there is no such dump, or when several have the number.
    """
    found = [dump for dump in dumps if wanted in (dump.name, dump.name.removesuffix(".dump"))]
    found = found or [dump for dump in dumps if wanted == str(dump.number) != "0"]
    if len(found) == 1:
        return found[0]
    there = "\n".join(f"  {dump.described()}" for dump in reversed(dumps)) or "  none"
    raise DeployError(
        f"{environment.environment} has {'no' if not found else 'more than one'} dump {wanted}. DUMP= names one of "
        f"these, or its number:\n{there}\nNothing was changed"
    )


def require_planned(dump: Dump) -> None:
    """Refuse if the dump is another one than in the plan. The first process that asks sets it.

    + dump: to restore

    Raises DeployError.
    """
    planned = pin.choice()
    if (planned.get("dump", dump.name), planned.get("sha256", dump.sha256)) != (dump.name, dump.sha256):
        raise DeployError(
            f"the plan was made for {planned['dump']}, and there is {dump.name} with other content now: plan again. "
            "Nothing was changed"
        )
    pin.keep(dump=dump.name, sha256=dump.sha256)
