"""What every entry point does that starts an action of a release on a host."""

from pathlib import Path

import pytest

from group_data.schema.paths import CHECKOUT
from preflight import loss

ACTIONS = sorted(path for path in (CHECKOUT / "deploys").glob("*.py") if "switch.run(" in path.read_text())


def test_there_are_some() -> None:
    assert "restore.py" in [path.name for path in ACTIONS]


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.name)
def test_its_plan_names_what_is_in_the_way(path: Path) -> None:
    assert "obstacles.require_none(environment, " in path.read_text()


@pytest.mark.parametrize("path", ACTIONS, ids=lambda path: path.name)
def test_a_lost_connection_tells_that_the_host_goes_on(path: Path) -> None:
    assert loss._GOES_ON[path.name] == loss._SWITCH
