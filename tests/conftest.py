import re
import shutil
from pathlib import Path
from typing import Any

import gevent.monkey
import pytest
from xdist import is_xdist_worker  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None

# What the workers share, in the folder of the whole run: it is too large to be kept as pytest keeps those of three runs.
SHARED = "shared"


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """The tests of one module and Debian release in one worker, in order: they share a machine, and build on one another."""

    def _split_scope(self, nodeid: str) -> str:
        release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
        return f"{nodeid.split('::')[0]} {release[1] if release else ''}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRelease:
    return ByRelease(config, log)


@pytest.fixture(scope="session")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of all workers."""
    base = tmp_path_factory.getbasetemp()
    path = (base.parent if is_xdist_worker(request) else base) / SHARED
    path.mkdir(exist_ok=True)
    return path


def pytest_sessionfinish(session: pytest.Session) -> None:
    # The controller, which ends last, or the only process there is.
    if not is_xdist_worker(session):
        factory = session.config._tmp_path_factory  # type: ignore[attr-defined]
        shutil.rmtree(factory.getbasetemp() / SHARED, ignore_errors=True)
