"""Show problems and the commands that mend them.

Each problem comes with its consequence. The command needs the vaults: it compares their cookie and password with those in
use.

Exit code 0: no finding. 2: findings, each with the command that mends it. 1: some answers are missing, and standard error
says why.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from pyinfra.facts.files import File

from commands import options
from connectors.terminal import shown
from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection import symptoms
from inspection.ask import ask, fact
from inspection.crash_dump import crash_findings
from inspection.diagnosis import findings
from inspection.diagnosis_certificate import renewal_findings
from inspection.diagnosis_database import database_findings
from inspection.diagnosis_outside import outside_findings
from inspection.finding import Finding, as_finding
from inspection.health_page import health_findings
from inspection.obstacles import obstacles_of
from inspection.websocket import websocket_findings
from preflight.selection import select_committed
from vault.store import open_vault, vault_path


@options.command(__doc__)
@options.environments
@options.as_json
def command(environments: Sequence[str], as_json: bool) -> int:
    """Ask and show."""
    inventory, known, hosts = select_committed(environments)
    vaults = {host.name: _vault(known[host.name]) for host in hosts}
    answers = ask(inventory, hosts, lambda host: _examined(host, known[host.name], vaults[host.name]))
    told = {known[name].environment: answer for name, answer in answers.items() if isinstance(answer, list)}
    for name, answer in answers.items():
        if isinstance(answer, PyinfraError):
            click.echo(f"{name}: {answer}", err=True)
    if as_json:
        options.print_json({name: [finding._asdict() for finding in found] for name, found in told.items()})
    else:
        _print(told)
    return 1 if len(told) < len(answers) else 2 if any(told.values()) else 0


def _vault(environment: Environment) -> Secrets:
    return open_vault(vault_path(environment.vault_directory, environment.environment), environment.vault_identity)


def _examined(host: Host, environment: Environment, secrets: Secrets) -> list[Finding]:
    obstacles = obstacles_of(host, environment)
    if any(obstacle.kind == "loopback" for obstacle in obstacles):
        # Every further question would wait for an answer that never comes.
        return [as_finding(obstacle) for obstacle in obstacles]
    if not fact(host, File, path=environment.unit_path):
        # All others would be about what nobody has made yet.
        return [*(as_finding(obstacle) for obstacle in obstacles), _not_applied(environment)]
    found = findings(environment, secrets, symptoms.read(host, environment, secrets, obstacles), datetime.now(UTC))
    further = (
        renewal_findings, outside_findings, health_findings, crash_findings, websocket_findings, database_findings
    )  # fmt: skip
    return [*found, *(finding for ask_further in further for finding in ask_further(host, environment))]


def _not_applied(environment: Environment) -> Finding:
    name = environment.environment
    return Finding(
        f"{name} is not prepared on this machine: there is no {environment.unit_path}",
        "nothing of it can run",
        f"make plan ENV={name} shows what it takes, and make apply ENV={name} prepares it",
    )


def _print(told: Mapping[str, list[Finding]]) -> None:
    for environment, found in told.items():
        if not found:
            click.echo(f"{environment}: nothing is wrong")
            continue
        click.secho(environment, bold=True)
        for finding in found:
            click.secho(f"  {shown(finding.what)}", fg="red")
            click.echo(f"    Why:  {shown(finding.why)}")
            click.echo(f"    Mend: {shown(finding.mend)}")


if __name__ == "__main__":
    command()
