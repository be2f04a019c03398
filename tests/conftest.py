import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]


class ByRelease(LoadScopeScheduling):  # type: ignore[misc]
    """All tests of one Debian release in one worker, in order: its machines are made once, and tests build on each other."""

    def _split_scope(self, nodeid: str) -> str:
        release = re.search(r"\[(trixie|bookworm)\b", nodeid)
        return release[1] if release else nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRelease:
    return ByRelease(config, log)
