"""Show the holder of the machine's lock, and break the lock.

A release that is being switched goes back.

Exit code 0: the lock is free. 1: declined, no answer from the host, or somebody else holds the lock by now. 2: with
--show, the lock is held. 130: interrupted.
"""

from collections.abc import Callable, Sequence

import click
from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import ConnectError, PyinfraError

from commands import options
from commands.deployment import ask as ask_operator
from commands.deployment import on_interruption
from group_data.schema.inventory import environments_on, machine_of
from inspection.ask import address, ask, fact
from operations.host.lock import Holder, breaking
from preflight.selection import select_committed

WARNING = "What is at work there goes back."


@options.command(__doc__)
@options.environments
@click.option("--show", is_flag=True, help="Only say who holds it.")
@options.yes
@click.pass_context
def command(ctx: click.Context, environments: Sequence[str], show: bool, yes: bool) -> int:
    """Ask the machine, ask the operator, break."""
    if not (environments or show):
        raise click.UsageError("Say which environment: make unlock ENV=stage", ctx)
    inventory, known, hosts = select_committed(environments, strict=True)
    machines = list({machine_of(host): host for host in reversed(hosts)}.values())
    holders = _answers(inventory, machines, lambda host: fact(host, Holder))
    for host, holder in holders.items():
        said = f"the lock is held by {holder}" if holder else "the lock is free"
        click.echo(f"{address(host)}: {said}")
    held = {host: holder for host, holder in holders.items() if holder}
    if not held or show:
        return 2 if held else 0
    click.echo(WARNING)
    with on_interruption("Interrupted before the answer: nothing was changed."):
        ask_operator("Break it?", yes=yes)

    def broken(host: Host) -> str | None:
        there = environments_on(machine_of(host), inventory, known)
        units = [*(other.switch_unit for other in there), *(other.boot_unit for other in there)]
        done, output = host.run_shell_command(breaking(held[host], units), _sudo=True)
        return None if done else output.stderr

    refusals = _answers(inventory, list(held), broken)
    for host, refusal in refusals.items():
        said = refusal or f"the lock was held by {held[host]}; it is broken"
        click.echo(f"{address(host)}: {said}", err=bool(refusal))
    return 1 if any(refusals.values()) else 0


def _answers(
    inventory: Inventory, hosts: Sequence[Host], question: Callable[[Host], str | None]
) -> dict[Host, str | None]:
    """The answer of each machine.

    Raises PyinfraError if one does not answer.
    """
    answers = ask(inventory, hosts, question)
    found: dict[Host, str | None] = {}
    for host in hosts:
        answer = answers[host.name]
        if isinstance(answer, PyinfraError):
            raise answer if isinstance(answer, ConnectError) else PyinfraError(f"{address(host)}: {answer}")
        found[host] = answer
    return found


if __name__ == "__main__":
    command()
