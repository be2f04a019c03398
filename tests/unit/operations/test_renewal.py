"""The restart that an apply finds due: when, in which order, and judged by the switch."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import FunctionCommand
from pyinfra.facts.files import Link

from group_data.schema.environment import Environment
from operations.host import restart, unit_state
from operations.host.unit_state import Clock, FileTimes, HostClock, Times, Units
from operations.release import history, renewal, strategy, switch
from tests.unit.conftest import STAGE

# 2026-11-26 06:54:41 UTC, in nanoseconds since 1970; the unit's process started an hour before.
NOW = 1_795_676_081 * 10**9
HOUR = 3600 * 10**9
STARTED = "Thu 2026-11-26 05:54:41 UTC"

ENVIRONMENT = Environment.model_validate(STAGE)


class Host:
    """A host with a unit.

    + state: the unit's, in systemd's words
    + changed: hours since the unit's variables changed
    + link: what the application's link names, None without one
    """

    def __init__(self, state: str, changed: int = 2, link: str | None = "releases/0.1.0") -> None:
        unit = {"Id": ENVIRONMENT.unit, "ActiveState": state, "ExecMainStartTimestamp": STARTED}
        self._answers: dict[type, Any] = {
            Units: {ENVIRONMENT.unit: unit},
            HostClock: Clock(NOW, None),
            FileTimes: {ENVIRONMENT.variables_path: Times(NOW - changed * HOUR, NOW - changed * HOUR)},
            Link: {"link_target": link} if link else None,
            strategy.SecondProcess: strategy.Room(100, 500, 10, 60),
        }
        self.said: list[str] = []

    def get_fact(self, fact: type, *_: object, **__: object) -> Any:
        """The answer of this host."""
        return self._answers[fact]

    def noop(self, text: str) -> None:
        """Nothing is to do."""
        self.said.append(text)


def renewed(monkeypatch: pytest.MonkeyPatch, host: Host, *, planned: bool = False) -> list[list[str]]:
    """The actions of the switch that the step starts."""
    for module in (renewal, history, restart, strategy, unit_state):
        monkeypatch.setattr(module, "host", host)
    monkeypatch.setattr(renewal, "state", SimpleNamespace(is_executing=False))
    for module in (renewal, switch):
        monkeypatch.setattr(module, "announce", host.said.append)
    monkeypatch.setattr(restart, "is_planned", lambda _: planned)
    commands = list(renewal.renew._inner(environment=ENVIRONMENT, after=[]))
    assert all(isinstance(command, FunctionCommand) for command in commands)
    return [command.args[0][7:] for command in commands]


@pytest.mark.parametrize(
    ("host", "planned", "words"),
    [
        (Host("active", changed=0), False, f"it runs with what {ENVIRONMENT.variables_path} said before"),
        (Host("active"), True, "it runs with what its files said before"),
        (Host("failed"), False, f"Will start {ENVIRONMENT.unit}, which failed"),
        # In a loop of crashes.
        (Host("activating"), False, f"Will start {ENVIRONMENT.unit}, which failed"),
        (Host("failed", changed=0), True, f"Will start {ENVIRONMENT.unit}, which failed"),
    ],
    ids=["a file is newer", "this run writes a file", "failed", "fails again and again", "failed, and a file is newer"],
)
def test_it_restarts_by_the_switch(monkeypatch: pytest.MonkeyPatch, host: Host, words: str, *, planned: bool) -> None:
    assert renewed(monkeypatch, host, planned=planned) == [["restart"]]
    assert words in "\n".join(host.said)
    assert "is well" in "\n".join(host.said)


@pytest.mark.parametrize(
    ("host", "planned", "words"),
    [
        (Host("active"), False, "runs what its files say"),
        (Host("failed", link=None), False, "does not run"),
        # As somebody else may have made it: the switch knows no such release.
        (Host("failed", link="/srv/billing/current/"), False, "does not run"),
    ],
    ids=["runs what its files say", "no release yet", "the link names no release"],
)
def test_it_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, host: Host, words: str, *, planned: bool) -> None:
    assert renewed(monkeypatch, host, planned=planned) == []
    assert host.said == [f"{ENVIRONMENT.unit} {words}"]


def test_the_plan_names_one_that_somebody_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("inactive", changed=0)
    assert renewed(monkeypatch, host, planned=True) == []
    assert host.said == [
        f"{ENVIRONMENT.unit} is stopped, and apply does not start it: make restart ENV=stage does",
        f"{ENVIRONMENT.unit} does not run",
    ]


def test_prod_comes_last_and_the_others_in_the_order_of_the_inventory() -> None:
    names = ["b", "live", "a"]
    environments = ["stage", "prod", "qa"]
    models = {
        name: Environment.model_validate(STAGE | {"environment": environment})
        for name, environment in zip(names, environments, strict=True)
    }
    assert renewal.turns(models) == ["b", "a", "live"]
