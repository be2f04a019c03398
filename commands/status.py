"""Show the state of every environment.

`make doctor` says how to mend problems. docs/drift.md describes the JSON.

Exit code 0: all in order. 2: the table shows a problem. 1: no host answered, and standard error says why.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import click
from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands import options, status_table
from commands.status_table import UNKNOWN, Status
from group_data.schema.environment import Environment
from inspection import health, plan
from inspection.ask import address, ask
from inspection.health import Reading
from preflight.selection import select_committed


@options.command(__doc__)
@options.environments
@options.as_json
def command(environments: Sequence[str], as_json: bool) -> int:
    """Ask and show."""
    inventory, known, hosts = select_committed(environments)
    # One plan for each environment: if one fails, for example without a key to its vault, the others still appear.
    # They take as long as the questions, and run beside them.
    with ThreadPoolExecutor(len(hosts)) as pool:
        plans = [pool.submit(_in_sync, host) for host in hosts]
        answers = ask(inventory, hosts, lambda host: health.read(host, known[host.name]))
    table = _table(hosts, known, answers, [planned.result() for planned in plans])
    if as_json:
        options.print_json([status.as_json() for status in table])
    else:
        click.echo("\n".join(status_table.text(table, status_table.width())))
    if not any(status.reachable.ok for status in table):
        return 1
    return 0 if all(status.ok for status in table) else 2


def _table(
    hosts: Sequence[Host],
    environments: Mapping[str, Environment],
    answers: Mapping[str, health.Health | PyinfraError],
    plans: Sequence[Reading | plan.PlanError],
) -> list[Status]:
    table = []
    for host, planned in zip(hosts, plans, strict=True):
        names = _places(environments[host.name], address(host))
        answer = answers[host.name]
        # The plan of a host that does not answer says the same once more.
        if isinstance(answer, PyinfraError):
            click.echo(f"{host.name}: {answer}", err=True)
            table.append(Status(*names, Reading("no", ok=False), UNKNOWN, *[UNKNOWN] * len(health.Health._fields)))
            continue
        if isinstance(planned, plan.PlanError):
            click.echo(f"{host.name}: {planned}", err=True)
            planned = Reading("unknown", ok=False)
        table.append(Status(*names, Reading("yes", ok=True), planned, *answer))
    return table


def _places(environment: Environment, machine: str) -> tuple[Reading, Reading, Reading, Reading, Reading]:
    database = environment.database
    if not environment.database_managed:
        database += f" on {environment.database_host}"
    return (
        Reading(environment.environment, ok=True),
        Reading(environment.url, ok=True),
        Reading(machine, ok=True),
        Reading(str(environment.port), ok=True),
        Reading(database, ok=True),
    )


def _in_sync(host: Host) -> Reading | plan.PlanError:
    try:
        changes = plan.changes([host.name])
    except plan.PlanError as error:
        return error
    return Reading(f"no, {len(changes)} to do" if changes else "yes", ok=not changes)


if __name__ == "__main__":
    command()
