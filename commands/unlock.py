"""Say who holds the machine's lock, and break it.

A release at work there is told to go back.

Exit code 0: the lock is free. 1: declined, or it could not be told. 2: with --show, the lock is held. 130: interrupted.
"""

from collections.abc import Mapping, Sequence

import click
from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from commands import options
from commands.deployment import ask as ask_operator
from commands.deployment import on_interruption
from group_data.schema.environment import Environment
from group_data.schema.inventory import environments_on, machine_of, read_environments
from inspection.ask import address, ask, fact
from operations.host.lock import Holder, breaking
from preflight.inventory import read_inventory
from preflight.selection import select

QUESTION = "Break it? What is at work there goes back."


@options.command(__doc__)
@options.environments
@click.option("--show", is_flag=True, help="Only say who holds it.")
@options.yes
@click.pass_context
def command(ctx: click.Context, environments: Sequence[str], show: bool, yes: bool) -> int:
    """Ask the machine, ask the operator, break."""
    if not (environments or show):
        raise click.UsageError("Say which environment: make unlock ENV=stage", ctx)
    inventory = read_inventory()
    known = read_environments(inventory)
    hosts = select(environments, inventory, known)
    machines = list({machine_of(host): host for host in reversed(hosts)}.values())
    holders = _answers(inventory, machines, known, breaks=False)
    for host in machines:
        click.echo(f"{address(host)}: {_said(holders[host], broken=False)}")
    if not any(holders.values()) or show:
        return 2 if any(holders.values()) else 0
    with on_interruption("Interrupted before the answer: nothing was changed."):
        ask_operator(QUESTION, yes=yes)
    held = [host for host in machines if holders[host]]
    for host, holder in _answers(inventory, held, known, breaks=True).items():
        click.echo(f"{address(host)}: {_said(holder, broken=True)}")
    return 0


def _answers(
    inventory: Inventory, hosts: Sequence[Host], environments: Mapping[str, Environment], *, breaks: bool
) -> dict[Host, str | None]:
    """Who holds the lock of each machine; afterwards it is free with `breaks`."""

    def question(host: Host) -> str | None:
        holder = fact(host, Holder)
        if holder and breaks:
            neighbours = environments_on(machine_of(host), inventory, environments)
            host.run_shell_command(breaking([other.switch_unit for other in neighbours]), _sudo=True)
        return holder

    answers = ask(inventory, hosts, question)
    holders: dict[Host, str | None] = {}
    for host in hosts:
        answer = answers[host.name]
        if isinstance(answer, PyinfraError):
            raise PyinfraError(f"{address(host)}: {answer}")
        holders[host] = answer
    return holders


def _said(holder: str | None, *, broken: bool) -> str:
    if not holder:
        return "the lock is free"
    return f"the lock was held by {holder}; it is broken" if broken else f"the lock is held by {holder}"


if __name__ == "__main__":
    command()
