import inspect
from typing import Any

import gevent.monkey
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.order import in_order, length, scope

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None


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
    if not config.getoption("--everything"):
        _leave_out(config, items)
    place = {nodeid: index for index, nodeid in enumerate(in_order({item.nodeid: _length(item) for item in items}))}
    items.sort(key=lambda item: place[item.nodeid])


def _length(item: pytest.Item) -> float:
    function = getattr(item, "function", None)
    # Only the order of the tests on hosts matters.
    return length(inspect.getsource(function)) if function and item.nodeid.startswith("tests/host/") else 0


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
