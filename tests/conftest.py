import inspect
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import gevent.monkey
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.order import in_order, length, scope

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None


# Whatever the shell says: each worker, and each command that tests run, would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of one module and Debian release in one worker, in order: they share a machine, and build on one another."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        help="also run each test on both Debian releases, the tests marked `everything`, and more drawn input",
    )


# Last: pytest itself puts all tests of one release before those of the other.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --everything a test that is the same on both releases runs on trixie alone; the order is `in_order`."""
    # A process that has collected tests has imported it anyway; that of pytest-xdist has not.
    from hypothesis import settings

    everything = config.getoption("--everything")
    # No limit of time for a value: the computer has much else to do.
    settings.register_profile("tests", max_examples=100 if everything else 25, deadline=None)
    settings.load_profile("tests")
    if not everything:
        _leave_out(config, items)
    place = {nodeid: index for index, nodeid in enumerate(in_order(_lengths(items)))}
    items.sort(key=lambda item: place[item.nodeid])


def _lengths(items: list[pytest.Item]) -> dict[str, float]:
    """Seconds of each test on a host and of the fixtures that it makes; 0 for other tests."""
    lengths: dict[str, float] = {}
    made: set[tuple[str, object]] = set()
    for item in items:
        lengths[item.nodeid] = 0
        if isinstance(item, pytest.Function) and item.nodeid.startswith("tests/host/"):
            fixtures = {one for several in item._fixtureinfo.name2fixturedefs.values() for one in several}
            of_module = {one.func for one in fixtures if one.scope == "module"}
            of_test = {one.func for one in fixtures if one.scope == "function"}
            new = {function for function in of_module if (scope(item.nodeid), function) not in made}
            made |= {(scope(item.nodeid), function) for function in new}
            lengths[item.nodeid] = sum(length(_text(function)) for function in (item.function, *new, *of_test))
    return lengths


@cache
def _text(function: Callable[..., object]) -> str:
    return inspect.getsource(function) if inspect.isfunction(function) else ""


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    names = {item.nodeid for item in items}

    def is_left_out(item: pytest.Item) -> bool:
        if item.get_closest_marker("everything"):
            return True
        twin = item.nodeid.replace("bookworm", "trixie")
        return twin != item.nodeid and twin in names and not item.get_closest_marker("each_release")

    left_out = [item for item in items if is_left_out(item)]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def everything(request: pytest.FixtureRequest) -> bool:
    """Whether there is time for everything, as in `make test-all`."""
    return bool(request.config.getoption("--everything"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRelease:
    return ByRelease(config, log)
