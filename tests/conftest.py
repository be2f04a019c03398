import re
from typing import Any

import gevent.monkey
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of one module and Debian release in one worker, in order: they share a machine, and build on one another."""

    def _split_scope(self, nodeid: str) -> str:
        release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
        return f"{nodeid.split('::')[0]} {release[1] if release else ''}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--everything",
        action="store_true",
        help="also run each test on both Debian releases, the tests marked `everything`, and more drawn input",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --everything a test that is the same on both releases runs on trixie alone."""
    if config.getoption("--everything"):
        return
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
