"""The ports that a machine keeps to itself."""

from collections.abc import Sequence

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host import program


class ClosedPorts(FactBase[frozenset[int]]):
    """Those of some ports that the machine closes to the network."""

    @staticmethod
    @override
    def default() -> frozenset[int]:
        return frozenset()

    @override
    def command(self, ports: Sequence[int]) -> StringCommand:
        return program.command("closed_among.sh", *map(str, ports))

    @override
    def process(self, output: list[str]) -> frozenset[int]:
        return frozenset(map(int, output))
