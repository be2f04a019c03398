"""Who may reach an environment's ports, as its host tells it."""

from collections.abc import Sequence
from typing import NamedTuple

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host import program


class Guard(NamedTuple):
    """The state of an environment's ports.

    + closed: the ports that the machine keeps to itself
    + foreign: listeners at the application's port that are not the application's, each as address and program
    """

    closed: frozenset[int]
    foreign: tuple[str, ...]


class PortGuard(FactBase[Guard]):
    """The state of a unit's ports. The first one is the application's, which nginx passes requests to."""

    @staticmethod
    @override
    def default() -> Guard:
        return Guard(frozenset(), ())

    @override
    def command(self, unit: str, ports: Sequence[int]) -> StringCommand:
        return program.command("listeners.sh", unit, *map(str, ports))

    @override
    def process(self, output: list[str]) -> Guard:
        words = [line.partition(" ") for line in output]
        closed = frozenset(int(value) for word, _, value in words if word == "closed")
        foreign = tuple(dict.fromkeys(value for word, _, value in words if word == "foreign"))
        return Guard(closed, foreign)
