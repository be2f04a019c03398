"""What is not as the data says: changes that an apply would make, applications that are stopped, and what is left over."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of
from inspection import leftovers, local, plan
from inspection.ask import address, ask, fact
from inspection.facts import UnitState

# In place of a machine's address: this computer, and this repository.
HERE = "here"


class Drift(NamedTuple):
    """One thing that is not as the data says.

    + environment: short name; None for what belongs to the machine
    + machine: its address; HERE for what lies in this repository
    + thing: name of the operation that would change it, a unit with its state, or kind and name of what is left over
    + kind: "change": apply mends it; "down": a released application is stopped; "leftover": only a person removes it
    + command: what removes a leftover, for a root shell on the machine, or starts an application, here; None for a change
    """

    environment: str | None
    machine: str
    thing: str
    kind: Literal["change", "down", "leftover"]
    command: str | None

    def __str__(self) -> str:
        where = self.environment or self.machine
        if self.kind == "change":
            return f"{where}: {self.thing}"
        if self.kind == "down":
            return f"{where}: {self.thing}: {self.command}"
        if self.machine == HERE:
            return f"left over here: {self.thing}: {self.command}"
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
    def question(host: Host) -> list[Drift]:
        machine = address(host)
        selected = [environments[other.name] for other in hosts if machine_of(other) == machine_of(host)]
        return [
            *(down for environment in selected if (down := _down(host, environment, machine))),
            *(
                Drift(environment, machine, thing, "leftover", command)
                for thing, command, environment in leftovers.find(
                    host, environments, selected, local.former_applications(inventory, environments, machine)
                )
            ),
        ]

    found: list[Drift] = []
    one_of_each_machine = {machine_of(host): host for host in reversed(hosts)}
    for name, answer in ask(inventory, list(one_of_each_machine.values()), question).items():
        if isinstance(answer, PyinfraError):
            raise PyinfraError(f"{name}: {answer}")
        found += answer
    yield from found
    # Nobody asked for one environment wants to hear of others, and only all machines together show that nothing is left.
    if len(hosts) == len(list(inventory)):
        on_machines = [f"{item.thing} {item.command}" for item in found]
        for thing, command in local.find(inventory, environments, on_machines):
            yield Drift(None, HERE, thing, "leftover", command)


def _down(host: Host, environment: Environment, machine: str) -> Drift | None:
    """A released application that is stopped. Apply does not start it: somebody may have stopped it for a reason."""
    unit = fact(host, UnitState, unit=environment.unit, release=environment.app_path)
    if unit.get("ActiveState") != "inactive" or "Release" not in unit:
        return None
    command = f"make restart ENV={environment.environment} starts it"
    return Drift(environment.environment, machine, f"{environment.unit} is stopped", "down", command)
