"""Doctor and release judge the health page alike."""

from collections.abc import Callable

from group_data.schema.environment import Environment
from inspection.finding import Finding
from inspection.health_page import finding
from inspection.probe import Answer


def test_a_redirect_elsewhere(environment: Callable[..., Environment]) -> None:
    answer = Answer(well=False, status="301", leads_to="https://stage.example.com/", advice="set tls")
    assert finding(environment(), answer) == Finding(
        "/ answers 301 through nginx and leads to https://stage.example.com/",
        "a release or a restart that gets this answer goes back",
        "set tls",
    )


def test_an_answer_that_tells_nothing(environment: Callable[..., Environment]) -> None:
    told = finding(environment(health_path="/up"), Answer(well=False, status="500"))
    assert told.what == "/up answers 500 through nginx"
    assert told.mend == "make logs ENV=stage says why; or name another page in health_path"
