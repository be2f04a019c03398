"""One thing on a machine that keeps an application from running, or its answer from visitors."""

from typing import NamedTuple


class Obstacle(NamedTuple):
    """One thing in the way.

    + kind: word of operations/programs/obstacles.sh; "taken" and "held" for a site or a program of somebody else
    + place: mount point, for a file system; name, for a program that is missing; empty for everything else
    + what: the fault
    + why: its consequence
    + mend: the command, or the steps before it
    """

    kind: str
    place: str
    what: str
    why: str
    mend: str
