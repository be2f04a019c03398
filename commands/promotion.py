"""Print what a promotion would release, as JSON: where it runs, its version, its checksum.

Exit code 0: printed. 1: it cannot be promoted, and standard error says why.
"""

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands import options
from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of, read_environments
from inspection.ask import ask, fact
from operations.release import promotion
from operations.release.artifacts import Artifact, ArtifactsInStore
from operations.release.history import Releases, ReleasesOnHost, paths
from preflight.inventory import read_inventory
from preflight.selection import select


@options.command(__doc__)
@options.environment
@click.option("--from", "source", type=options.EnvironmentName(), metavar="ENV", required=True, help="Where it runs.")
def command(environment: str, source: str) -> None:
    """Ask and print."""
    inventory = read_inventory()
    known = read_environments(inventory)
    origin, target = select([source], inventory, known)[0], select([environment], inventory, known)[0]
    here, there = known[origin.name], known[target.name]
    promotion.require_same_build(here, there)
    answer = ask(inventory, [origin], lambda host: _look(host, here))[origin.name]
    if isinstance(answer, PyinfraError):
        raise PyinfraError(f"{origin.name}: {answer}")
    artifact = promotion.choose(here, there, *answer)
    options.print_json(
        {
            "host": origin.name,
            "version": artifact.version,
            "sha256": artifact.sha256,
            "name": there.tarball_name(artifact.version),
            "same_machine": machine_of(origin) == machine_of(target),
        }
    )


def _look(host: Host, environment: Environment) -> tuple[Releases, list[Artifact]]:
    tarballs = fact(host, ArtifactsInStore, directory=environment.artifacts_path, app=environment.app)
    return fact(host, ReleasesOnHost, **paths(environment)), tarballs


if __name__ == "__main__":
    command()
