import re
from typing import Any

import gevent.monkey
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None


# Where an application is released, runs, and is waited for: a half of the time that the tests of a Debian release take.
RELEASING = re.compile(r"/test_(release|build|remote|application|doctor|aliases|from_edeliver)")


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of one kind and Debian release in one worker, in order: its machines are made once, tests build on them."""

    def _split_scope(self, nodeid: str) -> str:
        release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
        if not release:
            return nodeid.split("::")[0]
        return f"{release[1]}, releasing" if RELEASING.search(nodeid) else release[1]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRelease:
    return ByRelease(config, log)
