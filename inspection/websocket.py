"""Websockets of LiveView: the names of a site whose pages may open none."""

from collections.abc import Iterator, Sequence

from pyinfra.api import FactBase, Host, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from inspection.ask import fact
from inspection.finding import Finding, mend_in_application
from operations.host import program


class OriginsRefused(FactBase[list[str]]):
    """The names of a site whose pages may open no websocket."""

    @staticmethod
    @override
    def default() -> list[str]:
        return []

    @override
    def command(self, scheme: str, port: int, names: Sequence[str]) -> StringCommand:
        return program.command("origins_refused.sh", scheme, str(port), *names)

    @override
    def process(self, output: list[str]) -> list[str]:
        return sorted(output)


def websocket_findings(host: Host, environment: Environment) -> Iterator[Finding]:
    """The names that check_origin of the endpoint lacks, as far as the application uses LiveView.

    + environment: of the site

    Raises PyinfraError when the question to the host fails.
    """
    names = fact(
        host,
        OriginsRefused,
        scheme=environment.scheme,
        port=environment.websocket_port,
        names=environment.asked_names,
    )
    if names:
        yield finding(environment, names)


def finding(environment: Environment, names: Sequence[str]) -> Finding:
    """Names whose pages may open no websocket, as a finding.

    + environment: of the site
    + names: as `OriginsRefused` reads them
    """
    return Finding(
        f"the application refuses websockets from {', '.join(names)}",
        "pages load there, and LiveView does not work: check_origin of the endpoint does not list that name",
        f"list the name in check_origin of {environment.endpoint}; {mend_in_application(environment)}",
    )
