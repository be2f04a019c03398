"""What doctor says about an environment's database: migrations that are not applied, and databases that a restore kept."""

from collections.abc import Iterator, Sequence

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.finding import Finding
from operations import clusters, foreign_tables
from operations.clusters import ClusterTroubles
from operations.foreign_tables import ForeignTables
from operations.host.psql import at
from operations.release import dumps, migrations
from operations.release.dumps import Dumps, DumpsOnHost
from operations.release.migrations import MigrationsOfNode


def database_findings(host: Host, environment: Environment) -> Iterator[Finding]:
    """Everything that a restore or a release without its migrations left.

    + environment: of the database

    Raises PyinfraError when a question to the host fails.
    """
    if environment.migrate != "never":
        of_node = fact(host, MigrationsOfNode, **migrations.arguments(environment))
        yield from pending_findings(environment, migrations.pending(of_node))
    if environment.database_managed:
        troubles = fact(host, ClusterTroubles, port=environment.database_port)
        yield from cluster_findings(environment, troubles)
        way = foreign_tables.variables(at(environment.database_port))
        tables = fact(host, ForeignTables, user="postgres", _env=way, **foreign_tables.arguments(environment))
        yield from table_findings(environment, tables)
        yield from kept_findings(environment, fact(host, DumpsOnHost, **dumps.paths(environment)))


def cluster_findings(environment: Environment, lines: Sequence[list[str]]) -> Iterator[Finding]:
    """A cluster of PostgreSQL that nobody here can use, as findings. (One at another port is an obstacle of a release.)

    + environment: of the database
    + lines: of operations/programs/clusters.sh
    """
    for line in lines:
        if line[0] != "cluster":
            what, _, mend = clusters.sentence(environment, *line).partition(": ")
            yield Finding(what, "the application or make apply cannot use its database", f"on the host: {mend}")


def table_findings(environment: Environment, tables: Sequence[str]) -> Iterator[Finding]:
    """Tables of other roles, as a finding.

    + environment: of the database
    + tables: with their owners
    """
    if tables:
        what, _, why = foreign_tables.sentence(environment, tables).rpartition(". ")
        yield Finding(what, why, f"for each, on the host: {foreign_tables.mend(environment, tables)}")


def pending_findings(environment: Environment, versions: Sequence[str]) -> Iterator[Finding]:
    """Migrations of the running release that the database does not have, as a finding.

    + environment: of the release
    + versions: of these migrations
    """
    if versions:
        name, number = environment.environment, len(versions)
        yield Finding(
            f"{'a migration' if number == 1 else f'{number} migrations'} of the running release "
            f"{'is' if number == 1 else 'are'} not applied: {', '.join(versions)}",
            "it may ask for tables and columns that the database does not have, such as after an older dump was restored",
            f"make migrate ENV={name}, which takes a dump first; or make rollback ENV={name} VERSION=... to a release "
            f"without {'it' if number == 1 else 'them'}",
        )


def kept_findings(environment: Environment, there: Dumps) -> Iterator[Finding]:
    """Databases from before a restore, as findings.

    + environment: of the database
    + there: with these databases
    """
    for name in there.kept:
        yield Finding(
            f"the database {name}, from before a restore, is kept",
            "it takes its room on the disk, and only there is what was written since the dump"
            f"{'; the next restore removes it' if name in there.going else ''}",
            f"when {environment.environment} needs nothing of it, on the host: cd / && sudo -u postgres dropdb {name}",
        )
