"""All rules about settings that must agree: in one environment, on one machine, and in the whole inventory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from group_data.schema.environment_rules import problems_of_environment
from group_data.schema.inventory_rules import problems_of_inventory
from group_data.schema.machine_rules import problems_of_machine
from group_data.schema.problem import Problem, Subject


def problems_of(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Every disagreement between settings.

    + subjects: every environment of the inventory
    """
    machines: dict[tuple[str, int], list[Subject]] = defaultdict(list)
    for subject in subjects:
        yield from problems_of_environment(subject)
        machines[subject.machine].append(subject)
    for neighbours in machines.values():
        yield from problems_of_machine(neighbours)
    yield from problems_of_inventory(subjects)
