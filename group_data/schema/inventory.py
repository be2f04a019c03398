"""Reads pyinfra's inventory and returns checked environments. No other code reads group data."""

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject
from group_data.schema.rules import problems_of
from group_data.schema.wrong_keys import problems_of_keys, suggestion, validate

# pyinfra puts every host into a group named after the inventory file.
FILE_GROUP = "inventory"


class SettingsError(PyinfraError):
    """Wrong group data. A PyinfraError, because only those are shown without a traceback."""


class Machine(NamedTuple):
    """The address SSH connects to. Two inventory hosts with the same one are the same machine."""

    address: str
    port: int


def machine_of(host: Host) -> Machine:
    """The machine behind an inventory host."""
    port = str(host.data.get("ssh_port") or 22)
    # `examine` reports a port that is not a number.
    return Machine(
        host.data.get("ssh_hostname") or host.name.removeprefix("@ssh/"), int(port) if port.isdecimal() else 22
    )


def environments_on(
    machine: Machine, inventory: Inventory, environments: Mapping[str, Environment]
) -> list[Environment]:
    """The environments of one machine, in or out of `--limit`, in the order of the inventory.

    + machine: from `machine_of`
    + environments: all of them, by host name
    """
    return [environments[host.name] for host in inventory if host.name in environments and machine_of(host) == machine]


@cache
def read_environments(inventory: Inventory, needed: tuple[str, ...] = ()) -> Mapping[str, Environment]:
    """Every environment of the inventory by host name, each checked alone and with the others. Reads an inventory once.

    + needed: environments, by short name, host or group, that must be right. Another one that is wrong is left out then,
      with a warning. None means all, but in a run of pyinfra the hosts of the run (`preflight/check.py` is stricter)

    Raises SettingsError with all problems in one message, before anything is changed.
    """
    state = getattr(inventory, "state", None)
    in_run = [host.name for host in inventory if state is None or state.is_host_in_limit(host)]
    subjects, problems = examine(inventory, in_run)
    if not needed and len(in_run) < len(inventory):
        needed = tuple(in_run)
    wrong = wrong_elsewhere(inventory, subjects, problems, needed)
    if len(wrong) < len({problem.host for problem in problems}):
        raise SettingsError(describe(problems))
    if wrong:
        warn(wrong)
    return {subject.host: subject.environment for subject in subjects if subject.host not in wrong}


def wrong_elsewhere(
    inventory: Inventory, subjects: Sequence[Subject], problems: Sequence[Problem], needed: Collection[str]
) -> list[str]:
    """The hosts and groups with problems that have nothing to do with the needed environments; none if nothing is needed.

    + inventory: their inventory
    + subjects: its environments
    + problems: of `examine`
    + needed: short names, hosts or groups
    """
    if not needed:
        return []
    short = {subject.host: name for subject in subjects for name in subject.read(lambda e: [e.environment])}
    own = {host.name: {host.name, short.get(host.name), *host.groups} - {FILE_GROUP} for host in inventory}
    chosen = {host for host, names in own.items() if names & {*needed}}
    # A name that is nowhere may be that of a file with problems.
    if not {*needed} <= {name for host in chosen for name in own[host]}:
        return []
    return list(dict.fromkeys(problem.host for problem in problems if problem.host not in chosen))


def warn(wrong: Sequence[str]) -> None:
    """Say once that this process goes on without some environments.

    + wrong: their hosts or groups
    """
    _warn(f"Warning: the group data of {', '.join(wrong)} is wrong. This goes on without it; make check says why.")


@cache
def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def examine(inventory: Inventory, in_run: Collection[str]) -> tuple[list[Subject], list[Problem]]:
    """Every environment of the inventory, and all problems with them.

    + in_run: the hosts that `--data` counts for. pyinfra gives it to every host; here an override for stage does not make
      prod wrong

    An environment with problems lacks its wrong keys. A host is one environment with the data of one group. Two groups with
    data are refused, because the order in `inventory.py` alone would decide which one wins.
    """
    problems = list(_group_problems(inventory))
    subjects: list[Subject] = []
    for host in inventory:
        port = host.data.get("ssh_port")
        if port and not str(port).isdecimal():
            text = (
                f"ssh_port = {port!r}: must be the number of the port sshd listens on, such as 22; leave it out for 22"
            )
            problems.append(Problem(host.name, text, "inventory.py"))
        data, sources = _data_of(host, inventory, host.name in in_run)
        home = _home(host, inventory)
        if not set(sources.values()) - {"group_data/all.py", "--data"}:
            problems.append(_no_data(host, inventory))
            continue
        environment, errors = validate(data)
        subject = Subject(host.name, machine_of(host), environment, sources, home, host.data.get("ssh_user"))
        problems += problems_of_keys(subject, errors)
        subjects.append(subject)
    return subjects, problems + list(problems_of(subjects))


def describe(problems: Sequence[Problem]) -> str:
    """The one message for all problems.

    + problems: at least one
    """
    lines = [f"  {host}: {text} ({where})" for host, text, where in problems]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    footer = "Nothing was changed. docs/group-data.md describes every setting, docs/troubleshooting.md every message."
    return "\n".join([f"{count}:", *lines, footer])


def _group_problems(inventory: Inventory) -> Iterator[Problem]:
    """Group data without an environment, and environments with the data of two groups."""
    groups = [group for group in inventory.groups if group != FILE_GROUP]
    for name, data in inventory.group_data.items():
        where = f"group_data/{name}.py"
        if name == FILE_GROUP and data:
            yield Problem(name, f"pyinfra puts every host into the group {name}: rename the file, or use all.py", where)
        elif data and not inventory.groups.get(name):
            text = (
                "no host is in this group, so nothing reads its data: add the group to inventory.py, or delete the file"
            )
            yield Problem(name, text + suggestion(name, groups), where)
    for host in inventory:
        filled = _filled_groups(host, inventory)
        if len(filled) > 1:
            text = (
                f"is in the groups {' and '.join(filled)}, and both have data: the later would silently win; keep one"
            )
            yield Problem(host.name, text, "inventory.py")


def _filled_groups(host: Host, inventory: Inventory) -> list[str]:
    return [group for group in dict.fromkeys(host.groups) if group != FILE_GROUP and inventory.get_group_data(group)]


def _home(host: Host, inventory: Inventory) -> str:
    """The file for a key that is not set: the file of the host's group, whatever name the host has."""
    groups = _filled_groups(host, inventory) or [group for group in host.groups if group != FILE_GROUP]
    return f"group_data/{groups[-1]}.py" if groups else "inventory.py"


def _no_data(host: Host, inventory: Inventory) -> Problem:
    empty = [name for name, data in inventory.group_data.items() if data and not inventory.groups.get(name)]
    groups = [group for group in dict.fromkeys(host.groups) if group != FILE_GROUP]
    name = groups[-1] if groups else host.name
    text = (
        f"has no settings of its own, so it is no environment: write group_data/{name}.py for the group {name} in "
        "inventory.py, or take the host out"
    )
    return Problem(host.name, text + suggestion(name, empty), "inventory.py")


def _data_of(host: Host, inventory: Inventory, in_run: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """A host's settings without pyinfra's own keys, and the source of each. Later layers override earlier ones."""
    layers: list[tuple[str, Mapping[str, Any]]] = [("group_data/all.py", inventory.get_data())]
    layers += [(f"group_data/{group}.py", inventory.get_group_data(group)) for group in host.groups]
    layers.append(("inventory.py", inventory.get_host_data(host.name)))
    layers.append(("--data", inventory.get_override_data() if in_run else {}))
    settings = [
        (key, value, source)
        for source, values in layers
        for key, value in values.items()
        if not key.startswith(("ssh_", "_"))
    ]
    return {key: value for key, value, _ in settings}, {key: source for key, _, source in settings}
