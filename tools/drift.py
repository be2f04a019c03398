"""Whether the hosts are still as the data says: `python -m tools.drift [ENV ...] [--json] [--quiet]`.

Exit code 0: in sync. 2: drifted, and each drifted thing is named in one line. 1: that could not be told, and standard
error says why. docs/drift.md describes the JSON, and how to have it run by a timer.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

import click
from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.inventory import environments_on, machine_of, read_environments
from tools import interruption, leftovers, plan
from tools.environments import read_inventory
from tools.machines import address, ask
from tools.selection import Parser, print_json, select

# How deploy.py names the steps that belong to a machine and run for whichever of its environments comes first.
_OF_MACHINE = "Machine:"


class Drift(NamedTuple):
    """One thing that is not as the data says.

    + environment: short name; None for what belongs to the machine
    + machine: its address
    + thing: name of the operation that would change it, or kind and name of what is left over
    + kind: "change": apply mends it; "leftover": only a person removes it
    + command: what removes a leftover, for a root shell on the machine; None for a change
    """

    environment: str | None
    machine: str
    thing: str
    kind: Literal["change", "leftover"]
    command: str | None

    def __str__(self) -> str:
        where = self.environment or self.machine
        if self.kind == "change":
            return f"{where}: {self.thing}"
        return f"{where}: left over: {self.thing} (as root on {self.machine}: {self.command})"


def find(
    inventory: Inventory, environments: Mapping[str, Environment], hosts: Sequence[Host], *, show_progress: bool
) -> list[Drift]:
    """Everything that has drifted in some environments and on their machines.

    + inventory: which the hosts belong to
    + environments: all of them, by host name
    + hosts: those to look at
    + show_progress: let pyinfra's standard error through while it plans

    Raises PyinfraError when it cannot be told for all of them.
    """
    with ThreadPoolExecutor() as pool:
        changed = pool.submit(lambda: list(_changed(inventory, environments, hosts, show_progress=show_progress)))
        left_over = pool.submit(lambda: list(_left_over(inventory, environments, hosts)))
        # In this order: of two errors, pyinfra's own says more.
        return changed.result() + left_over.result()


def _changed(
    inventory: Inventory, environments: Mapping[str, Environment], hosts: Sequence[Host], *, show_progress: bool
) -> Iterator[Drift]:
    for host, operation in plan.changes([host.name for host in hosts], show_progress=show_progress):
        environment = None if operation.startswith(_OF_MACHINE) else environments[host].environment
        yield Drift(environment, address(inventory.get_host(host)), operation, "change", None)


def _left_over(inventory: Inventory, environments: Mapping[str, Environment], hosts: Sequence[Host]) -> Iterator[Drift]:
    def question(host: Host) -> list[leftovers.Leftover]:
        neighbours = environments_on(machine_of(host), inventory, environments)
        selected = [environments[other.name] for other in hosts if machine_of(other) == machine_of(host)]
        return leftovers.find(host, neighbours, selected)

    one_of_each_machine = {machine_of(host): host for host in reversed(hosts)}
    for name, answer in ask(inventory, list(one_of_each_machine.values()), question).items():
        if isinstance(answer, PyinfraError):
            raise PyinfraError(f"{name}: {answer}")
        for thing, command, environment in answer:
            yield Drift(environment, address(inventory.get_host(name)), thing, "leftover", command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Look, report, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser("python -m tools.drift", "Name everything on the hosts that is not as the data says.")
    parser.add_argument("--quiet", action="store_true", help="say nothing when in sync, for cron")
    options = parser.parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(options.environments, inventory, environments)
        show_progress = sys.stderr.isatty() and not options.quiet
        drifted = find(inventory, environments, hosts, show_progress=show_progress)
    except PyinfraError as error:
        # Empty when pyinfra's own words were let through.
        click.echo(str(error) or "drift: there is no plan to compare with", err=True)
        return 1
    if drifted or not options.quiet:
        _report(drifted, as_json=options.json)
    return 2 if drifted else 0


def _report(drifted: Sequence[Drift], *, as_json: bool) -> None:
    if as_json:
        print_json({"in_sync": not drifted, "drift": [item._asdict() for item in drifted]})
        return
    for item in drifted:
        click.echo(click.style(str(item), fg="yellow" if item.kind == "leftover" else "red"))
    if any(item.kind == "change" for item in drifted):
        advice = "make plan shows the difference, make apply mends it; leftovers stay until somebody removes them."
        click.echo(advice, err=True)
    elif not drifted:
        click.echo("In sync.")


if __name__ == "__main__":
    interruption.ends_the_process()
    sys.exit(main())
