"""When a file system will be full, by its use of the last week."""

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from operations.host import program

# Days: one working week, so that somebody hears of it on a working day.
SOON = 7


class DiskForecast(FactBase[dict[str, int]]):
    """The days until a file system is full, by mount point, of those that will be full within `SOON` days."""

    @staticmethod
    @override
    def default() -> dict[str, int]:
        return {}

    @override
    def command(self, log: str) -> StringCommand:
        return program.command("disk_forecast.sh", log)

    @override
    def process(self, output: list[str]) -> dict[str, int]:
        lines = [line.split(" ", 1) for line in output]
        return {place: int(days) for days, place in lines if int(days) < SOON}
