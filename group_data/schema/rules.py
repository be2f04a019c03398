"""Rules over the whole inventory: environments that are fine one by one and break each other."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from group_data.schema.environment import Environment

# Top-level domains that browsers ship in their HSTS preload list with includeSubDomains (Chromium's
# transport_security_state_static.json).
PRELOADED_TLDS = frozenset(
    "android app bank boo channel chrome dad day dev eat esq fly foo gle gmail google hangout ing insurance meet meme mov "
    "new nexus page phd play prof rsvp search youtube zip".split()
)


class Problem(NamedTuple):
    """One thing to mend: the inventory host, what is wrong and the way out, and where it stands."""

    host: str
    text: str
    where: str


def inventory_problems(machines: Sequence[Mapping[str, Environment]]) -> list[Problem]:
    """Everything that is wrong between environments.

    `machines`: for each machine its environments by inventory host name.
    """
    everything = {host: environment for machine in machines for host, environment in machine.items()}
    problems = [problem for machine in machines for problem in _collisions(machine)]
    problems += _hsts_problems(everything)
    return problems


# What two environments on one machine may not share: what it is called, how to read it, why it matters and the way out.
_EXCLUSIVE: Sequence[tuple[str, Callable[[Environment], Sequence[str | int]], str]] = (
    ("port", lambda e: [e.port], "the second to start finds it taken; give each its own port"),
    ("node name", lambda e: [e.node], "the second node does not start; leave node_name out or make it unique"),
    ("server name", lambda e: e.server_names, "nginx serves the first site only; give each its own domain"),
    ("name", lambda e: [e.full_name], "site, unit, role and database are named by app and environment; change one"),
    ("secret file", lambda e: [e.secret_path], "it is named by the environment alone; rename one environment"),
)


def _collisions(machine: Mapping[str, Environment]) -> Iterator[Problem]:
    for what, read, why in _EXCLUSIVE:
        owners: dict[str | int, list[str]] = defaultdict(list)
        for host, environment in machine.items():
            for value in read(environment):
                owners[value].append(host)
        for value, hosts in owners.items():
            if len(hosts) > 1:
                others = "itself" if len(set(hosts)) == 1 else f"{hosts[0]} on the same machine"
                yield Problem(hosts[-1], f"{what} {value} is shared with {others}: {why}", f"group_data/{hosts[-1]}.py")
    yield from _alias_collisions(machine)
    yield from _journal_disagreement(machine)


def _alias_collisions(machine: Mapping[str, Environment]) -> Iterator[Problem]:
    owners: dict[tuple[str, str], str] = {}
    for host, environment in machine.items():
        for alias in environment.shell_aliases:
            owner = owners.setdefault((environment.user, alias), host)
            if owner != host:
                # The alias named after an environment stands in no file: the other one can be renamed.
                file = host if alias in environment.aliases else owner
                yield Problem(
                    host,
                    f"alias {alias} is defined by {owner} too, for the same unix user: the later one wins; rename one",
                    f"group_data/{file}.py",
                )


def _journal_disagreement(machine: Mapping[str, Environment]) -> Iterator[Problem]:
    limits = {environment.journal_limit for environment in machine.values()}
    if len(limits) > 1:
        shown = " and ".join(f"{environment.journal_limit} ({host})" for host, environment in machine.items())
        host = list(machine)[-1]
        yield Problem(
            host, f"journal_limit is {shown} on one machine, which has one journal: set it once", "group_data/all.py"
        )


def _hsts_problems(environments: Mapping[str, Environment]) -> Iterator[Problem]:
    """A stage site on plain HTTP that no browser opens, because its parent sends HSTS: it has happened."""
    for host, environment in environments.items():
        if environment.tls == "provided":
            continue
        for name in environment.server_names:
            parent = _hsts_parent(name, environment, environments.values())
            if parent:
                yield Problem(
                    host,
                    f"{name} has tls = {environment.tls!r}, but {parent} with includeSubDomains: a browser that has seen it "
                    "turns every address below into HTTPS and shows 'Your connection is not private' without a way past. "
                    "Either give this environment a certificate (tls = 'provided'), or move it to a domain of another "
                    "parent (or stop the parent from sending includeSubDomains and wait for its max-age)",
                    f"group_data/{host}.py",
                )


def _hsts_parent(name: str, environment: Environment, environments: Iterable[Environment]) -> str | None:
    """Who claims `name` through HSTS, as a phrase, or None."""
    tld = name.rpartition(".")[2]
    if tld in PRELOADED_TLDS:
        return f"browsers are shipped with HSTS for .{tld}"
    for parent in environment.hsts_parents:
        if name == parent or name.endswith(f".{parent}"):
            return f"{parent} (hsts_parents) is known to send HSTS"
    for other in environments:
        if other.hsts and other.hsts_include_subdomains:
            for parent in other.server_names:
                if name.endswith(f".{parent}"):
                    return f"{parent} ({other.environment}) sends HSTS"
    return None
