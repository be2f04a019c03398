"""One thing that is wrong with a running environment."""

from typing import NamedTuple

from group_data.schema.environment import Environment
from operations.release.obstacle import Obstacle


class Finding(NamedTuple):
    """Something that is wrong.

    + what: the fault
    + why: its consequence
    + mend: the command, or the steps before it
    """

    what: str
    why: str
    mend: str


def as_finding(obstacle: Obstacle) -> Finding:
    """An obstacle on the machine as a finding.

    + obstacle: as a release's plan names it
    """
    return Finding(obstacle.what, obstacle.why, obstacle.mend)


def mend_in_application(environment: Environment) -> str:
    """The commands that bring a change of the application's repository into service."""
    name = environment.environment
    return f"make app-apply APP=<checkout> ENV={name}, commit, make update ENV={name}"
