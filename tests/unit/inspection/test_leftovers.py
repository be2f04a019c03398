"""Every path of an environment has a trace among the leftovers; wanted paths are not listed."""

import shlex
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest
from pyinfra.api import Host, Inventory

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from inspection import leftovers, traces
from tests.unit.conftest import PROD, STAGE

# Properties of an environment whose path nobody has to remove with it.
KEPT = {
    "home": "The user's own, with whatever people put there; one home serves all environments of the application.",
    "site_mark_page": "A page that nginx answers, and no file.",
    "database_ca_path": "Debian's or somebody else's, named by database_tls_ca.",
    "lineage_path": "certbot's own: `certbot delete` removes it.",
    "renewal_path": "certbot's own: `certbot delete` removes it.",
}


def paths(environment: Environment) -> Iterator[tuple[str, str]]:
    """The properties whose value is an absolute path, and those paths."""
    for name, attribute in vars(Environment).items():
        if isinstance(attribute, property):
            value = getattr(environment, name)
            if isinstance(value, str) and value.startswith("/"):
                yield name, value


def removals(environment: Environment) -> list[PurePosixPath]:
    """The paths that the removals of all traces name."""
    words = [word for trace in traces.TRACES for word in shlex.split(trace.removal(environment))]
    return [PurePosixPath(word.rstrip(";")) for word in words if word.startswith("/")]


def test_every_path_of_an_environment_has_a_trace_or_a_reason(environment: Callable[..., Environment]) -> None:
    stage = environment(tls="self_signed")
    known = removals(stage)
    found = dict(paths(stage))
    assert {"build_path", "secret_path", "switch_path"} <= set(found)
    bare = {
        name for name, path in found.items() if not any(PurePosixPath(path).is_relative_to(parent) for parent in known)
    }
    assert bare == set(KEPT)


@pytest.mark.parametrize("program", ["switch_path", "build_program_path"])
def test_the_settings_beside_a_program_have_a_trace(environment: Callable[..., Environment], program: str) -> None:
    assert PurePosixPath(f"{getattr(environment(), program)}.conf") in removals(environment())


@pytest.mark.parametrize("trace", traces.TRACES, ids=lambda trace: trace.thing)
def test_a_name_is_told_from_its_pattern(environment: Callable[..., Environment], trace: traces.Trace) -> None:
    """One environment's trace is never taken for that of another thing."""
    example = environment()
    name = trace.name(traces.namesake(example, "qa")).replace("?", "x")
    matching = [other.thing for other in traces.TRACES if leftovers.short_name(other, example, name) == "qa"]
    assert matching == [trace.thing]


QA = STAGE | {"environment": "qa", "domain": "qa.example.com", "port": 4002}
ELSEWHERE = {"ssh_hostname": "build.example.com"}
STORE = "/var/cache/billing_{}-build"


@pytest.fixture
def on_machine(monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]) -> Callable[..., list[str]]:
    """The things left over on the machine of the host `stage`, which has one thing of stage, prod and qa each."""

    def find(thing: str = "build directory", name: str = STORE, **hosts: dict[str, object]) -> list[str]:
        number = [trace.thing for trace in traces.TRACES].index(thing)
        listed = [f"{number}\t{name.format(short)}" for short in ("stage", "prod", "qa", "Other", "a; rm")]

        def answer(host: Host, cls: type, **arguments: object) -> list[str]:
            return listed if "arguments" in arguments else []

        monkeypatch.setattr(leftovers, "fact", answer)
        inventory_of = inventory(**hosts)
        environments = read_environments(inventory_of)
        return [found.thing for found in leftovers.find(inventory_of.get_host("stage"), environments, [])]

    return find


def test_an_unfinished_secret_file_is_left_over_also_where_the_environment_exists(
    on_machine: Callable[..., list[str]],
) -> None:
    found = on_machine("unfinished secret file", "/var/{}.secret.exs.new.a1B2c3", stage=STAGE, prod=PROD)
    assert found == [f"unfinished secret file /var/{name}.secret.exs.new.??????" for name in ("stage", "prod", "qa")]


def test_the_build_directory_of_a_removed_environment_is_left_over(on_machine: Callable[..., list[str]]) -> None:
    assert on_machine(stage=STAGE, prod=PROD) == ["build directory /var/cache/billing_qa-build"]


def test_an_environment_of_another_machine_that_is_built_here_keeps_its_build_directory(
    on_machine: Callable[..., list[str]],
) -> None:
    assert on_machine(stage=STAGE, prod=PROD | ELSEWHERE | {"build_host": "stage"}, qa=QA) == []


def test_an_environment_that_is_built_elsewhere_by_now_left_its_build_directory(
    on_machine: Callable[..., list[str]],
) -> None:
    built_elsewhere = on_machine(stage=STAGE | {"build_host": "prod"}, prod=PROD | ELSEWHERE, qa=QA)
    assert built_elsewhere == [
        "build directory /var/cache/billing_stage-build",
        "build directory /var/cache/billing_prod-build",
    ]


def test_everything_of_one_environment(monkeypatch: pytest.MonkeyPatch, inventory: Callable[..., Inventory]) -> None:
    """Nothing of its neighbours, and commands that need no sudo."""
    patterns = [
        trace.name(traces.namesake(read_environments(inventory(stage=STAGE))["stage"], "*")) for trace in traces.TRACES
    ]

    def answer(host: Host, cls: type, query: str = "", **arguments: object) -> list[str]:
        if "before" in query:
            return ["billing_stage_before_1"]
        if query:
            return ["database billing_prod", "database billing_stage", "role billing_prod", "role billing_stage"]
        names = [(number, pattern.replace("?", "x")) for number, pattern in enumerate(patterns)]
        return [f"{number}\t{name.replace('*', short)}" for number, name in names for short in ("prod", "stage", "qa")]

    monkeypatch.setattr(leftovers, "fact", answer)
    there = inventory(stage=STAGE, prod=PROD)
    found = leftovers.everything_of(there.get_host("stage"), read_environments(there)["stage"])
    assert len(found) == len(traces.TRACES) + 3
    words = " ".join(f"{each.thing} {each.command}" for each in found)
    assert "prod" not in words
    assert "_qa" not in words
    assert "sudo -u" not in words
    assert found[0].thing.startswith("unit ")
    assert "cd / && runuser -u postgres -- dropdb --force billing_stage" in [each.command for each in found]
