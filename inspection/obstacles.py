"""Everything on a machine that is in an application's way, asked outside a deploy."""

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.release import obstacles
from operations.release.obstacles import Obstacle, ObstaclesOnHost


def obstacles_of(host: Host, environment: Environment) -> list[Obstacle]:
    """The obstacles that a release to the environment would meet, and those that it would not mind.

    + environment: of the application

    Raises PyinfraError when the question to the host fails.
    """
    return obstacles.read(environment, fact(host, ObstaclesOnHost, **obstacles.arguments(environment)))
