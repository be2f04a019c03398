"""What is wrong with what runs: `python -m commands.doctor [ENV ...] [--json]`.

Exit code 0: nothing was found. 2: findings, each with why it matters and the command that mends it. 1: not everything could
be asked, and standard error says why. The vaults are needed: their cookie and password are compared with those in use.
"""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands.selection import Parser, print_json
from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from group_data.schema.secrets import Secrets
from inspection import symptoms
from inspection.ask import ask
from inspection.diagnosis import findings
from inspection.finding import Finding
from preflight import interruption
from preflight.inventory import read_inventory
from preflight.selection import select
from vault.store import open_vault, vault_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, show, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser("python -m commands.doctor", "Say what is wrong with what runs, and what mends it.")
    options = parser.parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(options.environments, inventory, environments)
        vaults = {host.name: _vault(environments[host.name]) for host in hosts}
        answers = ask(inventory, hosts, lambda host: _examined(host, environments[host.name], vaults[host.name]))
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    told = {environments[name].environment: answer for name, answer in answers.items() if isinstance(answer, list)}
    for name, answer in answers.items():
        if isinstance(answer, PyinfraError):
            print(f"{name}: {answer}", file=sys.stderr)
    if options.json:
        print_json({name: [finding._asdict() for finding in found] for name, found in told.items()})
    else:
        _print(told)
    return 1 if len(told) < len(answers) else 2 if any(told.values()) else 0


def _vault(environment: Environment) -> Secrets:
    return open_vault(vault_path(environment.vault_directory, environment.environment), environment.vault_identity)


def _examined(host: Host, environment: Environment, secrets: Secrets) -> list[Finding]:
    return findings(environment, secrets, symptoms.read(host, environment, secrets), datetime.now(UTC))


def _print(told: Mapping[str, list[Finding]]) -> None:
    for environment, found in told.items():
        if not found:
            click.echo(f"{environment}: nothing is wrong")
            continue
        click.secho(environment, bold=True)
        for finding in found:
            click.secho(f"  {finding.what}", fg="red")
            click.echo(f"    Why:  {finding.why}")
            click.echo(f"    Mend: {finding.mend}")


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
