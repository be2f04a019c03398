"""Things of somebody else that bear an environment's names: refused, or taken over if the data says so.

Files of this project say so in their first lines, roles and databases in their comment, users in /etc/passwd. An environment
whose switch program is on the machine was prepared from here, perhaps by a version that marked less.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import aliases, database, machine, nginx_layout
from operations.host import program
from operations.host.psql import as_postgres
from operations.host.report import announce
from operations.nginx_loaded import NginxConfiguration


class NotOurs(NamedTuple):
    """The answer of a machine.

    + prepared: whether this repository prepared the environment
    + things: kind and words of each thing that it did not make
    """

    prepared: bool
    things: list[list[str]]


class ThingsNotOurs(FactBase[NotOurs]):
    """Users, groups, units, files and aliases with an environment's names that this repository did not make."""

    @staticmethod
    @override
    def default() -> NotOurs:
        return NotOurs(prepared=False, things=[])

    @override
    def command(self, words: Sequence[str]) -> StringCommand:
        return program.command("not_ours.sh", *words)

    @override
    def process(self, output: list[str]) -> NotOurs:
        lines = [line.split("\t") for line in output]
        return NotOurs(["prepared"] in lines, [line for line in lines if len(line) > 1])


def not_ours(environment: Environment) -> NotOurs:
    """What the machine of this deploy has that this repository did not make.

    + environment: whose names count
    """
    name = environment.full_name
    layouts = nginx_layout.known(host.get_fact(NginxConfiguration))
    found: NotOurs = host.get_fact(
        ThingsNotOurs,
        words=[
            environment.login, " ".join(aliases.aliases(environment)), environment.group, environment.unit,
            environment.switch_path, environment.switch_path.replace(name, f"{environment.app}_*"),
            *dict.fromkeys(path for layout in layouts for path in (layout.path(name), layout.loaded(name))),
            environment.secret_path, environment.variables_path,
            environment.polkit_rule_path, environment.switch_path, environment.switch_conf_path,
        ],
    )  # fmt: skip
    return found


def require(environment: Environment) -> None:
    """Refuse things that somebody else made. With `adopt`, say in the plan what becomes of them.

    + environment: whose names count

    Raises DeployError with all of them; the run ends before anything has changed.
    """
    found = not_ours(environment)
    things = [_consequence(environment, *thing) for thing in found.things]
    if environment.database_managed:
        things += database_things(environment, prepared=found.prepared)
    if not things:
        return
    if environment.adopt:
        for thing in things:
            announce(f"Will take over {thing}")
        return
    listed = "\n".join(f"  {thing}" for thing in things)
    raise DeployError(
        f"the host of {environment.environment} has what this repository did not make, and apply would take it over:\n"
        f"{listed}\nIf it is this environment's, set adopt = True in group_data/{environment.environment}.py. If it is "
        "somebody else's, choose another name for app or environment. Nothing was changed"
    )


def database_things(environment: Environment, *, prepared: bool) -> Iterator[str]:
    """Role and database that somebody else made, each with the consequence of taking it over.

    + environment: whose names count
    + prepared: whether this repository prepared the environment
    """
    name = environment.database
    there = as_postgres(environment.database_port)
    server = host.get_fact(database.ServerState, database=name, **there)
    foreign = database.not_ours(server, name, prepared=prepared)
    if not server:
        return
    if "role" in foreign:
        yield f"PostgreSQL role {name}: it gets the vault's password, and loses all rights outside its database"
    if "database" in foreign:
        owner = server["database"]["owner"]
        inside = host.get_fact(database.Contents, database=name, **there) or "unknown contents"
        change = "" if owner == name else f", which then owns it and what {owner} owns in it"
        yield f"PostgreSQL database {name} of {owner}, {inside}: only {name} may connect to it{change}"


def _consequence(environment: Environment, kind: str, name: str, *words: str) -> str:
    """One thing with the consequence of taking it over."""
    if kind == "user":
        home, shell = words
        if name == environment.login:
            change = f"home {home} and shell {shell} become {environment.home} and /bin/bash"
            return f"user {name}: {change}, and it manages the units"
        change = f"home {home} and shell {shell} become {environment.private_path} and {machine.NO_LOGIN}"
        return f"user {name}: {change}, and it runs the application"
    if kind == "group":
        return f"group {name}: its members {words[0]} may read the secret file"
    if kind == "unit":
        return f"unit {name}: it is replaced; what it started runs until the first release"
    if kind == "alias":
        return f"alias {name} in {words[0]}: the one of apply comes later and counts"
    return f"file {name}: it is replaced"
