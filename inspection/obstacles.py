"""Everything on a machine that is in an application's way, asked outside a deploy."""

from functools import partial

from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection.ask import fact
from operations.release import obstacles
from operations.release.obstacle import Obstacle


def obstacles_of(host: Host, environment: Environment) -> list[Obstacle]:
    """The obstacles that a release to the environment would meet, and those that it would not mind.

    + environment: of the application

    Raises PyinfraError when the question to the host fails.
    """
    return obstacles.found_by(environment, partial(fact, host))
