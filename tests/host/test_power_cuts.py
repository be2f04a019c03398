"""Power cuts on a machine whose disk forgets what was not synced: after the boot, and after the next command, all is well.

The moments are calls of commands that change the disk, evenly spread over an action. `make chaos` tries random ones.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host, Prepared
from tests.host.cut_actions import VARIANTS, actions, bare_machine, machine
from tests.host.cuts import Action, Moment, count, cut, cut_first_apply
from tests.host.releases import Variant, build_variants

pytestmark = [BOOKWORM, pytest.mark.everything]

# How many moments of each action.
SWEEPS = {"release": 20, "rollback": 6, "migrate": 6, "apply": 6, "build": 4, "rotation": 4, "restore": 6}

# Seconds after a call: the disk's journal has written nothing of it yet, or the names without the content.
PAUSES = (0.0, 6.0)


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    return build_variants(release, tmp_path_factory.mktemp("variants"), VARIANTS)


@pytest.fixture(scope="module")
def forgetful(
    prepared: Prepared, built: dict[Variant, Path], tmp_path_factory: pytest.TempPathFactory, *, everything: bool
) -> Iterator[Host]:
    """A machine whose disk forgets, with a release in both environments."""
    with machine(prepared, built, tmp_path_factory.mktemp("forgetful"), builds=everything) as host:
        yield host


def spread(calls: int, number: int) -> list[Moment]:
    """Moments from the first call to some seconds after the last one."""
    step = calls / (number - 1)
    return [
        Moment(1 + round(step * place), after=place % 2 == 1, pause=PAUSES[place // 2 % 2]) for place in range(number)
    ]


def swept(host: Host, action: Action, number: int) -> list[str]:
    """What is wrong after cuts at so many moments of an action."""
    calls = count(host, action)
    wrong = []
    for moment in spread(len(calls), number):
        call = calls[moment.call - 1] if moment.call <= len(calls) else "its end"
        wrong += [f"{action.name} cut at {moment}, {call}: {words}" for words in cut(host, action, moment)]
    return wrong


def test_a_release_cut_off_while_it_is_restarted_and_after_its_end(forgetful: Host, built: dict[Variant, Path]) -> None:
    """The most telling moments: in the middle of the switch, and seconds after the release said that it is done."""
    action = actions(built)["release"]
    calls = count(forgetful, action)
    restart = next(place for place, call in enumerate(calls, 1) if call.startswith("systemctl restart billing_stage"))
    assert cut(forgetful, action, Moment(restart, after=True, pause=6)) == []
    assert cut(forgetful, action, Moment(len(calls) + 1, after=True, pause=2)) == []


@pytest.mark.everything
@pytest.mark.parametrize("name", SWEEPS)
def test_an_action_is_cut_off_at_many_moments(forgetful: Host, built: dict[Variant, Path], name: str) -> None:
    assert swept(forgetful, actions(built)[name], SWEEPS[name]) == []


@pytest.mark.everything
@pytest.mark.parametrize("name", ["release", "rollback", "apply"])
def test_a_hand_over_to_a_stand_in_is_cut_off_at_many_moments(
    forgetful: Host, built: dict[Variant, Path], name: str
) -> None:
    forgetful.project.edit("stage", release_strategy="stand_in")
    forgetful.project.apply().require_success()
    try:
        assert swept(forgetful, actions(built)[name], 10) == []
        left = forgetful.machine.run("nft list tables; systemctl list-units --plain --no-legend '*-standin*'").stdout
        assert "standin" not in left
    finally:
        forgetful.project.edit("stage", release_strategy=None)
        forgetful.project.apply().require_success()


@pytest.mark.everything
def test_a_first_apply_is_cut_off_at_many_moments(release: str, vaults: Path, tmp_path: Path) -> None:
    with bare_machine(release, vaults, tmp_path / "count") as host:
        calls = cut_first_apply(host, None)
    wrong = []
    for place, moment in enumerate(spread(int(calls[0]), 8)):
        with bare_machine(release, vaults, tmp_path / str(place)) as host:
            wrong += [f"first apply cut at {moment}: {words}" for words in cut_first_apply(host, moment)]
    assert wrong == []
