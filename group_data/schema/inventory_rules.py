"""Rules for the environments of the whole inventory."""

from collections.abc import Iterator, Sequence

from group_data.schema import hsts
from group_data.schema.environment import Environment
from group_data.schema.problem import Problem, Subject


def problems_of_inventory(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Every disagreement between environments, on one machine or on several.

    + subjects: every environment of the inventory
    """
    yield from _shared_databases(subjects)
    yield from _build_hosts(subjects)
    yield from hsts.problems_of_parents(subjects)


def _shared_databases(subjects: Sequence[Subject]) -> Iterator[Problem]:
    """Two different environments with one database. The same environment on two machines may share its database."""
    owners: dict[tuple[object, ...], tuple[str, str]] = {}
    for subject in subjects:
        for name, place in subject.read(lambda e, s=subject: [(e.full_name, (*_server(s, e), e.database))]):  # type: ignore[misc]
            owner, other = owners.setdefault(place, (subject.host, name))
            if other != name:
                yield subject.problem(
                    "database_name",
                    f"database {place[-1]} is {owner}'s too: migrations and jobs of one would run on the data of the "
                    "other; give each its own",
                )


def _server(subject: Subject, environment: Environment) -> tuple[object, ...]:
    """The place of an environment's PostgreSQL; equal places are the same server."""
    place = subject.machine if environment.database_is_local else (environment.database_host,)
    return (*place, environment.database_port)


def _build_hosts(subjects: Sequence[Subject]) -> Iterator[Problem]:
    hosts = [subject.host for subject in subjects]
    for subject in subjects:
        for name in subject.read(lambda e: [e.build_host]):
            if name and name not in hosts:
                text = f"build_host = {name!r} is no host of the inventory; there are: {', '.join(hosts)}. Name one of them"
                yield subject.problem("build_host", text)
