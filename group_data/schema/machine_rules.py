"""Rules for the environments of one machine: names and ports that they may not share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject


class _Exclusive(NamedTuple):
    """Something that two environments on one machine may not share.

    + what: its name
    + key: the key to change
    + read: returns its values in an environment
    + why: the reason and the way out
    """

    what: str
    key: str
    read: Callable[[Environment], Iterable[str | int]]
    why: str


# Unit, site, group, role, certificate and directories have names made of app and environment: `_twins` checks these.
_EXCLUSIVE: Sequence[_Exclusive] = (
    _Exclusive(
        "port",
        "port",
        lambda e: [e.port, *e.open_ports],
        "the second to start finds it taken; give each its own port",
    ),
    _Exclusive(
        "node name",
        "node_name",
        lambda e: [e.node.partition("@")[0]],
        "nothing would tell the two nodes apart; leave node_name out or change the part before the @",
    ),
    _Exclusive(
        "server name",
        "domain",
        lambda e: e.server_names,
        "nginx serves the first site only; each needs domain and additional_domains of its own",
    ),
    _Exclusive(
        "secret file",
        "environment",
        lambda e: [e.secret_path],
        "its name contains the environment alone; rename one environment",
    ),
)


def problems_of_machine(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    """Every disagreement between the environments of one machine.

    + neighbours: its environments
    """
    twins = list(_twins(neighbours))
    yield from (problem for _, problem in twins)
    # Two environments of the same name share everything: one message is enough.
    distinct = [subject for subject in neighbours if subject not in [twin for twin, _ in twins]]
    for exclusive in _EXCLUSIVE:
        owners: dict[str | int, str] = {}
        for subject in distinct:
            for value in subject.read(exclusive.read):
                owner = owners.get(value)
                owners.setdefault(value, subject.host)
                if owner:
                    key = _key_of(exclusive, value, subject.environment)
                    text = f"{exclusive.what} {value} is shared with {owner} on the same machine: {exclusive.why}"
                    if owner == subject.host:
                        text = f"{exclusive.what} {value} is there twice: take one out of {key}"
                    yield subject.problem(key, text)
    yield from _node_port_collisions(distinct)
    yield from _alias_collisions(distinct)
    yield from _disagreements(distinct)


def _key_of(exclusive: _Exclusive, value: str | int, environment: Environment) -> str:
    further = {"domain": "additional_domains", "port": "open_ports"}.get(exclusive.key)
    return further if further and value in vars(environment).get(further, ()) else exclusive.key


def _twins(neighbours: Sequence[Subject]) -> Iterator[tuple[Subject, Problem]]:
    owners: dict[str, str] = {}
    for subject in neighbours:
        for name in subject.read(lambda e: [e.full_name]):
            owner = owners.setdefault(name, subject.host)
            if owner != subject.host:
                yield (
                    subject,
                    subject.problem(
                        "environment",
                        f"app and environment make {name}, the same name as for {owner} on this machine: unit, site, role, "
                        "database and directories would be shared; rename one environment, or take one out",
                    ),
                )


def _node_port_collisions(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    read = [(subject, values) for subject in neighbours for values in subject.read(_ports)]
    for number, (subject, (port, ports, _)) in enumerate(read):
        for other_number, (other, (other_port, other_ports, open_ports)) in enumerate(read):
            # Two ranges are named once. They are made of the ports, and about the same port there is a message.
            taken = {other_port, *open_ports, *(other_ports if other_number < number else ())}
            shared = taken & set(ports)
            if other is not subject and port != other_port and shared:
                text = (
                    f"the node's ports {ports[0]} to {ports[-1]} include {min(shared)} of {other.host} on the same machine: "
                    "set node_port to the first of 32 ports that nobody has"
                )
                yield subject.problem("node_port", text)


def _ports(environment: Environment) -> list[tuple[int, Sequence[int], Sequence[int]]]:
    return [(environment.port, environment.node_ports, environment.open_ports)]


def _alias_collisions(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    owners: dict[tuple[str, str], Subject] = {}
    for subject in neighbours:
        for user, alias in subject.read(lambda e: [(e.login, name) for name in (e.environment, *e.aliases)]):
            owner = owners.setdefault((user, alias), subject)
            if owner is not subject:
                # No file holds the alias named after an environment, so only the other alias can be renamed.
                changed = subject if alias in subject.environment.aliases else owner
                text = (
                    f"alias {alias} is defined by {owner.host} too, for the same unix user: the later wins; rename one"
                )
                yield changed.problem("aliases", text)._replace(host=subject.host)


def _disagreements(neighbours: Sequence[Subject]) -> Iterator[Problem]:
    for key, of in (("journal_limit", "journal"), ("nginx_connections", "nginx")):
        values = [(value, subject) for subject in neighbours for value in subject.read(_values(key))]
        if len({value for value, _ in values}) > 1:
            shown = " and ".join(f"{value} ({subject.host})" for value, subject in values)
            text = f"{key} is {shown} on one machine, which has one {of}: set it once, in group_data/all.py"
            # The mistake is more likely in the file of one environment than in all.py.
            subject = next((s for _, s in values if s.sources.get(key) == s.home), values[-1][1])
            yield subject.problem(key, text)


def _values(key: str) -> Callable[[Environment], Iterable[int]]:
    return lambda environment: [getattr(environment, key)]
