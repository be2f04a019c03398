import re
from typing import Any

import gevent.monkey
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# pyinfra_cli makes this process one of gevent's when it is imported, and pytest-xdist's workers, whose threads have begun by
# then, stop. Commands that tests run are processes of their own, and patched as ever.
gevent.monkey.patch_all = lambda *_, **__: None


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of one Debian release in one worker, in order: its machines are made once, and tests build on each other."""

    def _split_scope(self, nodeid: str) -> str:
        release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
        return release[1] if release else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRelease:
    return ByRelease(config, log)
