"""How a release is switched, as the plan says, and what a second process may lack."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations.release import strategy
from operations.release.strategy import Room

Make = Callable[..., Environment]


def described(monkeypatch: pytest.MonkeyPatch, environment: Environment, room: Room | None) -> str:
    """The words of the plan for a host with this room."""
    monkeypatch.setattr(strategy, "host", SimpleNamespace(get_fact=lambda *_, **__: room))
    return strategy.describe(environment)


def test_the_plan_names_the_strategy(monkeypatch: pytest.MonkeyPatch, environment: Make) -> None:
    room = Room(120, 900, 10, 60)
    assert described(monkeypatch, environment(), room) == (
        "A stand-in serves meanwhile: a second process, with about 120 MiB of memory and 10 connections to PostgreSQL"
    )
    restart = environment(release_strategy="restart")
    assert described(monkeypatch, restart, None) == "billing_stage.service restarts, and nginx shows its page meanwhile"
    assert "billing_stage.service does not run" in described(monkeypatch, environment(), None)


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (Room(513, 4000, 10, 60), "raise it to 1282"),
        (Room(120, 119, 10, 60), "the machine has 119 MiB free"),
        (Room(120, 900, 21, 60), "database_connection_limit = 40 holds for both together: raise it to 45"),
        (Room(120, 900, 10, 12), "and 12 are free"),
    ],
    ids=["limit of memory", "memory of the machine", "limit of connections", "connections of PostgreSQL"],
)
def test_a_second_process_without_room_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: Make, room: Room, words: str
) -> None:
    with pytest.raises(DeployError, match="Nothing was changed") as refusal:
        described(monkeypatch, environment(), room)
    assert str(refusal.value).startswith("stage: ")
    assert words in str(refusal.value)
    assert 'release_strategy = "restart"' in str(refusal.value)


@pytest.mark.parametrize("room", [Room(512, 512, 20, 23), Room(512, None, None, None), Room(10, 900, 10, None)])
def test_what_just_fits_and_what_cannot_be_told_is_no_reason(environment: Make, room: Room) -> None:
    assert strategy.missing(environment(), room) == []
