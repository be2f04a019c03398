"""What is not as the data says: changes that an apply would make, and what is left over."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of
from inspection import leftovers, plan
from inspection.ask import address, ask


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
    for host, operation, of_machine in plan.changes([host.name for host in hosts], show_progress=show_progress):
        environment = None if of_machine else environments[host].environment
        yield Drift(environment, address(inventory.get_host(host)), operation, "change", None)


def _left_over(inventory: Inventory, environments: Mapping[str, Environment], hosts: Sequence[Host]) -> Iterator[Drift]:
    def question(host: Host) -> list[leftovers.Leftover]:
        selected = [environments[other.name] for other in hosts if machine_of(other) == machine_of(host)]
        return leftovers.find(host, environments, selected)

    one_of_each_machine = {machine_of(host): host for host in reversed(hosts)}
    for name, answer in ask(inventory, list(one_of_each_machine.values()), question).items():
        if isinstance(answer, PyinfraError):
            raise PyinfraError(f"{name}: {answer}")
        for thing, command, environment in answer:
            yield Drift(environment, address(inventory.get_host(name)), thing, "leftover", command)
