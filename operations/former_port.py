"""A change of `port`: nginx reaches the application at both ports until it has restarted, and nobody else reaches either."""

from collections.abc import Collection, Mapping, Sequence

from group_data.schema.environment import Environment
from operations import ports, site


def of(environment: Environment, former: Mapping[str, int]) -> int | None:
    """The port that nginx asks, too, until the application has restarted; None if that is the port of the data.

    None without a stand-in as well: the site is down then while the application restarts.

    + environment: of the application
    + former: from `ports.former`
    """
    return former.get(environment.environment) if environment.release_strategy == "stand_in" else None


def left(environment: Environment, debian: int) -> None:
    """Once the application has restarted, nginx and the machine forget the port of before.

    + environment: of the application
    + debian: major release of the host
    """
    site.without_former_port(environment, debian)
    ports.owner_file(environment, part="table of its user, without the port of before")
    ports.owner_in_force(name="Port: in force, without the one of before", environment=environment)


def opened(environments: Sequence[Environment], former: Mapping[str, int], restarted: Collection[str]) -> None:
    """The ports of before are nobody's by then, and the network may reach them again.

    + environments: every environment on the machine
    + former: from `ports.former`
    + restarted: the environments that have restarted at their new port
    """
    if former.keys() & set(restarted):
        ports.closed(
            environments,
            former=[port for name, port in former.items() if name not in restarted],
            part="closed ports without those of before",
        )
