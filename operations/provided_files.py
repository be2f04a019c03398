"""Files that somebody else puts on the host: certificates, keys, and the CA of a database."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import FactBase, QuoteString, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment


class MissingFiles(FactBase[list[str]]):
    """The paths without a file. A link to a file counts as a file."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, paths: Sequence[str]) -> StringCommand:
        return StringCommand(
            "for path in", *[QuoteString(path) for path in paths], '; do test -f "$path" || echo "$path"; done'
        )

    @override
    def process(self, output: list[str]) -> list[str]:
        return output


def require(environment: Environment) -> None:
    """Refuse a host without a file that the group data names.

    Raises DeployError with the missing files; the run ends before anything has changed.

    + environment: whose group data
    """
    files = environment.provided_files
    missing = host.get_fact(MissingFiles, paths=list(files.values())) if files else []
    if missing:
        named = ", ".join(f"{path} ({setting})" for setting, path in files.items() if path in missing)
        raise DeployError(
            f"{named}: no such file on the host of {environment.environment}. Put it there, or correct the path in "
            f"group_data/{environment.environment}.py. Nothing was changed."
        )
