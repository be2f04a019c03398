"""From pyinfra's inventory to checked environments: the only code that reads group data."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.rules import Problem, inventory_problems
from group_data.schema.secrets import Secrets
from group_data.schema.settings import Settings


class SettingsError(PyinfraError):
    """Group data that cannot be deployed. A PyinfraError, because only those are shown without a traceback."""


class Machine(NamedTuple):
    """What makes two inventory hosts one machine: where SSH connects to."""

    address: str
    port: int


def machine_of(host: Host) -> Machine:
    """The machine behind an inventory host."""
    return Machine(
        host.data.get("ssh_hostname") or host.name.removeprefix("@ssh/"), int(host.data.get("ssh_port") or 22)
    )


def environments_on(
    machine: Machine, inventory: Inventory, environments: Mapping[str, Environment]
) -> list[Environment]:
    """The environments of one machine, in or out of `--limit`, in the order of the inventory."""
    return [environments[host.name] for host in inventory if machine_of(host) == machine]


def read_environments(inventory: Inventory) -> dict[str, Environment]:
    """Every environment of the inventory by host name, checked one by one and together.

    Raises SettingsError naming all problems at once; nothing has been changed by then.
    """
    environments: dict[str, Environment] = {}
    problems: list[Problem] = []
    for host in inventory:
        data, sources = _data_of(host, inventory)
        try:
            environments[host.name] = Environment.model_validate(data)
        except ValidationError as error:
            problems += _problems_of(host.name, error, sources)
    if not problems:
        machines: dict[Machine, dict[str, Environment]] = {}
        for host in inventory:
            machines.setdefault(machine_of(host), {})[host.name] = environments[host.name]
        problems += inventory_problems(list(machines.values()))
    if problems:
        raise SettingsError(_message(problems))
    return environments


def _data_of(host: Host, inventory: Inventory) -> tuple[dict[str, Any], dict[str, str]]:
    """A host's settings, and where each came from.

    pyinfra's waterfall, less the keys that are pyinfra's own. `--data` reaches every host in pyinfra; here it counts for
    the hosts of this run only, so that an override for stage is not held against prod.
    """
    layers: list[tuple[str, Mapping[str, Any]]] = [("group_data/all.py", inventory.get_data())]
    layers += [(f"group_data/{group}.py", inventory.get_group_data(group)) for group in host.groups]
    layers.append(("inventory.py", inventory.get_host_data(host.name)))
    state = getattr(inventory, "state", None)
    if state is None or state.is_host_in_limit(host):
        layers.append(("--data", inventory.get_override_data()))
    data: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, values in layers:
        for key, value in values.items():
            if not key.startswith(("ssh_", "_")):
                data[key] = value
                sources[key] = source
    return data, sources


def _problems_of(host: str, error: ValidationError, sources: Mapping[str, str]) -> Iterator[Problem]:
    for detail in error.errors():
        key = str(detail["loc"][0]) if detail["loc"] else None
        where = sources.get(key or "", f"group_data/{host}.py")
        if key is None:
            yield Problem(host, detail["msg"].removeprefix("Value error, "), where)
        elif detail["type"] == "extra_forbidden":
            yield Problem(host, _unknown(host, key, detail["input"]), where)
        elif detail["type"] == "missing":
            yield Problem(host, f"{key} is not set: {Settings.model_fields[key].description}", where)
        else:
            path = "".join(f"[{part!r}]" for part in detail["loc"][1:] if part != "[key]")
            yield Problem(host, f"{key}{path} = {_shown(detail['input'])}: {_lower(detail['msg'])}", where)


def _unknown(host: str, key: str, value: object) -> str:
    if key in Secrets.model_fields:
        return f"{key} is a secret: take it out of group data (and out of git) and run `make vault-edit ENV={host}`"
    near = difflib.get_close_matches(key, Settings.model_fields, n=1)
    return f"{key} = {_shown(value)}: no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]


def _message(problems: list[Problem]) -> str:
    lines = [f"  {problem.host}: {problem.text} ({problem.where})" for problem in problems]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return "\n".join(
        [
            f"{count} in the group data:",
            *lines,
            "Nothing was changed. group_data/schema/settings.py describes every setting.",
        ]
    )
