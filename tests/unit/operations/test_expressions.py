"""The expressions for a release as the switch gets them; tests/host/test_expressions.py evaluates them."""

import re
from collections.abc import Callable

import pytest

from group_data.schema.environment import Environment
from operations.release import expressions

TEXTS = {"migrate": expressions.migrate, "down": expressions.migrate_down, "list": expressions.migrations}
# The switch puts values in the place of these.
PLACES = {"migrate": {"{lock_timeout}"}, "down": {"{lock_timeout}", "{version}", "{repo}"}}


@pytest.mark.parametrize("name", TEXTS)
def test_an_expression_is_one_argument(environment: Callable[..., Environment], name: str) -> None:
    text = TEXTS[name](environment())
    assert text == text.strip()
    assert not text.startswith("-"), "an option of bin/<app>"
    # The running node evaluates some of them, and must stay as it is.
    assert "defmodule" not in text
    assert "{%" not in text


@pytest.mark.parametrize("name", PLACES)
def test_the_switch_finds_its_places_and_no_other(environment: Callable[..., Environment], name: str) -> None:
    """An interpolation of Elixir, #{version}, would be taken for one."""
    found = set(re.findall(r"#?\{(?:version|repo|lock_timeout)\}", TEXTS[name](environment())))
    assert found == PLACES[name]


def test_names_of_the_application(environment: Callable[..., Environment]) -> None:
    shop = environment(app="shop_core", app_module="Shop", repo_module="Shop.Storage")
    for make in TEXTS.values():
        text = make(shop)
        assert ":shop_core" in text
        assert "Shop.Release" in text
        assert "{:shop_core, Shop.Storage}" in text
    assert '"shop_core_stage migration"' in expressions.migrate(shop)


@pytest.mark.parametrize(
    ("setting", "make"), [("migrate_command", TEXTS["migrate"]), ("migrate_down_command", TEXTS["down"])]
)
def test_a_command_of_ones_own_has_the_limit_for_locks_too(
    environment: Callable[..., Environment], setting: str, make: Callable[[Environment], str]
) -> None:
    text = make(environment(**{setting: "Own.command({version})"}))
    assert text.endswith("\nOwn.command({version})")
    assert "lock_timeout: " in text
    assert "release.(application)" not in text
