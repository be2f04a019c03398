"""What doctor says about an environment's database: migrations that are not applied, and databases that a restore kept."""

from collections.abc import Iterator, Sequence

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.finding import Finding
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
        yield from kept_findings(environment, fact(host, DumpsOnHost, **dumps.paths(environment)))


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
