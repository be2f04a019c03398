"""From pyinfra's inventory to checked environments: the only code that reads group data."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails
from pyinfra.api import Host, Inventory
from pyinfra.api.exceptions import PyinfraError

from group_data.schema.environment import Environment
from group_data.schema.rules import Problem, Subject, problems_of
from group_data.schema.secrets import Secrets
from group_data.schema.settings import Settings
from group_data.schema.types import WORDS

# pyinfra puts every host into a group named after the inventory file.
FILE_GROUP = "inventory"


class SettingsError(PyinfraError):
    """Group data that cannot be deployed. A PyinfraError, because only those are shown without a traceback."""


class Machine(NamedTuple):
    """What makes two inventory hosts one machine: where SSH connects to."""

    address: str
    port: int


def machine_of(host: Host) -> Machine:
    """The machine behind an inventory host."""
    port = str(host.data.get("ssh_port") or 22)
    # What is no number is a problem of its own.
    return Machine(
        host.data.get("ssh_hostname") or host.name.removeprefix("@ssh/"), int(port) if port.isdecimal() else 22
    )


def environments_on(
    machine: Machine, inventory: Inventory, environments: Mapping[str, Environment]
) -> list[Environment]:
    """The environments of one machine, in or out of `--limit`, in the order of the inventory."""
    return [environments[host.name] for host in inventory if machine_of(host) == machine]


@cache
def read_environments(inventory: Inventory) -> Mapping[str, Environment]:
    """Every environment of the inventory by host name, checked one by one and together; once for each inventory.

    Raises SettingsError naming all problems at once; nothing has been changed by then.
    """
    state = getattr(inventory, "state", None)
    in_run = [host.name for host in inventory if state is None or state.is_host_in_limit(host)]
    subjects, problems = examine(inventory, in_run)
    if problems:
        raise SettingsError(describe(problems))
    return {subject.host: subject.environment for subject in subjects}


def examine(inventory: Inventory, in_run: Collection[str]) -> tuple[list[Subject], list[Problem]]:
    """Every environment of the inventory, and everything that is wrong with them.

    + in_run: the hosts `--data` counts for. It reaches every host in pyinfra; an override for stage is not held against
      prod here

    With problems, an environment lacks the keys that are wrong by themselves. A host is one environment, whose group data
    is that of one group: two groups that both set data are refused, as which of them wins follows from the order in
    `inventory.py` alone.
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
        environment, errors = _validated(data)
        subject = Subject(host.name, machine_of(host), environment, sources, home, host.data.get("ssh_user"))
        problems += _problems_of(subject, errors)
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
    """Group data that reaches no environment, or reaches one twice."""
    groups = [group for group in inventory.groups if group != FILE_GROUP]
    for name, data in inventory.group_data.items():
        where = f"group_data/{name}.py"
        if name == FILE_GROUP and data:
            yield Problem(name, f"pyinfra puts every host into the group {name}: rename the file, or use all.py", where)
        elif data and not inventory.groups.get(name):
            text = (
                "no host is in this group, so nothing reads its data: add the group to inventory.py, or delete the file"
            )
            yield Problem(name, text + _suggestion(name, groups), where)
    for host in inventory:
        filled = _filled_groups(host, inventory)
        if len(filled) > 1:
            text = (
                f"is in the groups {' and '.join(filled)}, which both have data, and the later silently wins: keep one"
            )
            yield Problem(host.name, text, "inventory.py")


def _filled_groups(host: Host, inventory: Inventory) -> list[str]:
    return [group for group in dict.fromkeys(host.groups) if group != FILE_GROUP and inventory.get_group_data(group)]


def _home(host: Host, inventory: Inventory) -> str:
    """Where a key of this environment belongs that is not set: the file of its group, whatever the host is called."""
    groups = _filled_groups(host, inventory) or [group for group in host.groups if group != FILE_GROUP]
    return f"group_data/{groups[-1]}.py" if groups else "inventory.py"


def _no_data(host: Host, inventory: Inventory) -> Problem:
    empty = [name for name, data in inventory.group_data.items() if data and not inventory.groups.get(name)]
    groups = [group for group in dict.fromkeys(host.groups) if group != FILE_GROUP]
    name = groups[-1] if groups else host.name
    text = (
        f"has no settings of its own, so it is no environment: write group_data/{name}.py, which the group {name} in "
        "inventory.py reads, or take the host out"
    )
    return Problem(host.name, text + _suggestion(name, empty), "inventory.py")


def _suggestion(name: str, possible: Collection[str]) -> str:
    near = difflib.get_close_matches(name, possible, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _data_of(host: Host, inventory: Inventory, in_run: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """A host's settings, and where each came from: pyinfra's waterfall, less the keys that are pyinfra's own."""
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


def _validated(data: Mapping[str, Any]) -> tuple[Environment, list[ErrorDetails]]:
    """The environment, without the keys that are wrong; and what is wrong with them."""
    try:
        return Environment.model_validate(data), []
    except ValidationError as error:
        errors = error.errors()
    wrong = {str(detail["loc"][0]) for detail in errors if detail["loc"]}
    right = _fields().model_validate({key: value for key, value in data.items() if key not in wrong})
    environment = Environment.model_construct(**dict(right))
    for key in wrong:
        vars(environment).pop(key, None)
    return environment, errors


@cache
def _fields() -> type[BaseModel]:
    """The fields alone, none required and nothing between them: what is right is read whatever is wrong beside it."""
    fields: type[BaseModel] = create_model(
        "_Fields",
        __config__=Settings.model_config | {"validate_default": False},
        **{
            name: (field.rebuild_annotation(), None if field.is_required() else field)
            for name, field in Settings.model_fields.items()
        },  # type: ignore[call-overload]
    )
    return fields


def _problems_of(subject: Subject, errors: Sequence[ErrorDetails]) -> Iterator[Problem]:
    for detail in errors:
        key = str(detail["loc"][0]) if detail["loc"] else ""
        if not key:
            text = detail["msg"].removeprefix("Value error, ")
        elif detail["type"] == "extra_forbidden":
            text = _unknown(key, detail["input"], vars(subject.environment).get("environment", subject.host))
        elif detail["type"] == "missing":
            text = f"{key} is not set: {Settings.model_fields[key].description}"
        else:
            path = key + "".join(f"[{part!r}]" for part in detail["loc"][1:] if part != "[key]")
            said = WORDS.get(detail.get("ctx", {}).get("pattern", ""), detail["msg"])
            text = f"{path} = {_shown(path, detail['input'])}: {_lower(said)}"
            text += f". {Settings.model_fields[key].description}"
        yield subject.problem(key, text)


def _unknown(key: str, value: object, environment: str) -> str:
    if key in Secrets.model_fields:
        return (
            f"{key} is a secret: take it out of group data (and out of git) and run `make vault-edit ENV={environment}`"
        )
    return f"{key} = {_shown(key, value)}: no such setting{_suggestion(key, Settings.model_fields)}"


def _shown(key: str, value: object) -> str:
    if re.search("passw|secret|token|cookie|key_base|api_key|credential", key, re.IGNORECASE):
        return "(a secret by its name: not shown)"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _lower(message: str) -> str:
    message = message.removeprefix("Value error, ")
    return message[0].lower() + message[1:]
