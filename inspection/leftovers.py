"""Things on a machine that the data no longer wants, and the command that removes each.

Apply never removes a database, a role, an extension, anything of an environment that is no longer in the inventory, or
files it did not write. `commands.drift` names them instead.

The names an `Environment` derives find everything. For an environment that is gone, a copy of another one of the same
application derives them again, under the name that was found.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pyinfra.api import Host

from group_data.schema.environment import Environment
from group_data.schema.inventory import environments_on, machine_of
from inspection import toolchains
from inspection.ask import fact
from inspection.facts import Rows
from inspection.probe import Lines, shell_program
from inspection.traces import TRACES, Trace, namesake
from operations.host.psql import DEFAULT_PORT, at

# The names an environment may have (group_data/schema/types.py, Name). Any other name that a host says is not ours, so no
# name in a removal command needs quoting or can lead the command elsewhere.
_NAME = "[a-z][a-z0-9_]{0,30}"


class Leftover(NamedTuple):
    """One thing nobody's data wants.

    + thing: kind and name, e.g. "database billing_qa"
    + command: what removes it, for a root shell on the machine
    + environment: short name of the existing environment it lies in
    """

    thing: str
    command: str
    environment: str | None = None


def find(
    host: Host, environments: Mapping[str, Environment], selected: Iterable[Environment], former: Iterable[str] = ()
) -> list[Leftover]:
    """Everything on a machine that is left over, in the order in which it is best removed.

    + host: one of the machine's
    + environments: all of the inventory, by host name
    + selected: those in whose database to look
    + former: applications that were prepared on the machine and that the inventory no longer has

    Raises PyinfraError when a question to the host fails.
    """
    found = [leftover for environment in selected for leftover in _within(host, environment)]
    neighbours = environments_on(machine_of(host), host.inventory, environments)
    built = _built_on(host, environments)
    here, built_here = ({environment.full_name for environment in several} for several in (neighbours, built))
    # An environment whose database moved elsewhere left the former one behind.
    databases: dict[int, set[str]] = {DEFAULT_PORT: set()}
    for environment in neighbours:
        if environment.database_is_local:
            databases.setdefault(environment.database_port, set()).add(environment.full_name)
    examples = {environment.app: environment for environment in (*built, *neighbours)}
    for app in former:
        examples.setdefault(app, neighbours[0].model_copy(update={"app": app}))
    for example in examples.values():
        found += _traces_of_former(host, example, here, built_here)
        for port, wanted in databases.items():
            found += _databases_of_former(host, example, wanted, port)
    listed = fact(host, Lines, arguments=shell_program("toolchains.sh"))
    found += [Leftover(*toolchain) for toolchain in toolchains.unused(listed, built)]
    return list(dict.fromkeys(found))


def _built_on(host: Host, environments: Mapping[str, Environment]) -> list[Environment]:
    """The environments that are built on a host's machine, wherever they live."""
    machines = {other.name: machine_of(other) for other in host.inventory}
    return [
        environment
        for name, environment in environments.items()
        if machines[environment.build_host or name] == machine_of(host)
    ]


def _within(host: Host, environment: Environment) -> Iterable[Leftover]:
    if environment.database_managed:
        yield from _extensions(host, environment)
        yield from _from_before_restores(host, environment)


def _from_before_restores(host: Host, environment: Environment) -> Iterable[Leftover]:
    """Databases that a restore kept. The next one removes them; until then they hold what the dump did not."""
    query = f"SELECT datname FROM pg_database WHERE datname ~ '^{environment.database}_before_[0-9]+$' ORDER BY 1"
    port = environment.database_port
    for name in fact(host, Rows, user="postgres", database="postgres", query=query, _env=at(port)):
        yield Leftover(
            f"database {name}, from before a restore",
            _as_postgres("dropdb", name, port),
            environment=environment.environment,
        )


def _extensions(host: Host, environment: Environment) -> Iterable[Leftover]:
    """Extensions that a superuser made and the data does not name. Those of migrations belong to the application's role."""
    query = (
        "SELECT extname FROM pg_catalog.pg_extension JOIN pg_catalog.pg_roles ON pg_roles.oid = extowner"
        " WHERE rolsuper AND extname <> 'plpgsql' ORDER BY extname"
    )
    port = environment.database_port
    for name in fact(host, Rows, user="postgres", database=environment.database, query=query, _env=at(port)):
        if name not in environment.database_extensions:
            yield Leftover(
                f"extension {name} of database {environment.database}",
                _as_postgres(
                    "psql", f"-d {environment.database} -c {shlex.quote(f'DROP EXTENSION {_identifier(name)}')}", port
                ),
                environment=environment.environment,
            )


def everything_of(host: Host, environment: Environment) -> list[Leftover]:
    """Everything of an environment on a machine, in the order in which it is best removed. What it built elsewhere is not.

    A database that is managed elsewhere, or has another name than the environment's own, is not among it.

    + host: one of the machine's
    + environment: of the inventory

    Raises PyinfraError when a question to the host fails.
    """
    found = [
        leftover for trace, former, leftover in _traces(host, environment) if former.full_name == environment.full_name
    ]
    if environment.database_managed and environment.database_is_local:
        found += _from_before_restores(host, environment)
        found += [
            leftover
            for name, leftover in _databases(host, environment, environment.database_port)
            if name == environment.full_name
        ]
    # For a person's shell there is sudo; a machine may have none. A session of somebody would keep a database.
    return [
        leftover._replace(
            command=re.sub(r"sudo -u (\S+)", r"runuser -u \1 --", leftover.command).replace(
                " dropdb ", " dropdb --force "
            )
        )
        for leftover in found
    ]


def _traces_of_former(host: Host, example: Environment, here: set[str], built: set[str]) -> Iterable[Leftover]:
    for trace, former, leftover in _traces(host, example):
        if trace.always or former.full_name not in (built if trace.of_build else here):
            yield leftover


def _traces(host: Host, example: Environment) -> Iterable[tuple[Trace, Environment, Leftover]]:
    """Each trace on a machine of an application's environments, the environment it names, and how it is removed."""
    pattern = namesake(example, "*")
    pairs = [word for trace in TRACES for word in (trace.test, trace.name(pattern))]
    program = shell_program("leftovers.sh", example.app, example.aliases_path, *pairs)
    for line in fact(host, Lines, arguments=program):
        number, _, name = line.partition("\t")
        trace = TRACES[int(number)]
        if short := short_name(trace, example, name):
            former = namesake(example, short)
            shown = trace.shown or trace.name
            yield trace, former, Leftover(f"{trace.thing} {shown(former)}", trace.removal(former))


def short_name(trace: Trace, example: Environment, name: str) -> str | None:
    """The short name of the environment whose trace has this name; None if it is no environment's.

    + trace: kind of trace
    + example: any environment of the application
    + name: as the host says it
    """
    pattern = re.escape(trace.name(namesake(example, "*"))).replace(r"\*", f"({_NAME})").replace(r"\?", "[0-9A-Za-z]")
    match = re.fullmatch(pattern, name)
    return match[1] if match else None


def _databases_of_former(host: Host, example: Environment, here: set[str], port: int) -> Iterable[Leftover]:
    return (leftover for name, leftover in _databases(host, example, port) if name not in here)


def _databases(host: Host, example: Environment, port: int) -> Iterable[tuple[str, Leftover]]:
    """Databases of the role of their name, and roles that own one or have a connection limit, as apply sets it."""
    name = f"~ '^{example.app}_{_NAME}$'"
    query = (
        f"SELECT 'database ' || datname FROM pg_database JOIN pg_roles ON pg_roles.oid = datdba"
        f" WHERE datname = rolname AND datname {name} UNION ALL"
        f" SELECT 'role ' || rolname FROM pg_roles WHERE rolname {name} AND (rolcanlogin AND rolconnlimit >= 0 OR"
        " EXISTS (SELECT FROM pg_database WHERE datname = rolname AND datdba = pg_roles.oid)) ORDER BY 1"
    )
    for thing in fact(host, Rows, user="postgres", database="postgres", query=query, _env=at(port)):
        kind, name = thing.split(" ")
        yield name, Leftover(thing, _as_postgres("dropdb" if kind == "database" else "dropuser", name, port))


def _as_postgres(program: str, words: str, port: int) -> str:
    where = "" if port == DEFAULT_PORT else f"-p {port} "
    return f"cd / && sudo -u postgres {program} {where}{words}"


def _identifier(name: str) -> str:
    """A name as SQL quotes it (PostgreSQL documentation, 4.1.1)."""
    return '"' + name.replace('"', '""') + '"'
