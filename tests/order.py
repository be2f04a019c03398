"""The order of the tests: no worker waits for a machine's image while a core is free, and the longest come first."""

import re
from collections.abc import Sequence

# The modules of hosts that took longest with four workers on two cores, longest first.
LONGEST = (
    "test_release_interrupted.py",
    "test_drift.py",
    "test_snapshot.py",
    "test_application.py",
    "test_database.py",
    "test_doctor.py",
    "test_aliases.py",
    "test_apply.py",
    "test_build.py",
    "test_external_database.py",
)


def scope(nodeid: str) -> str:
    """The module and the Debian release of a test; tests of one scope share a machine.

    + nodeid: pytest's name of the test
    """
    release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
    return f"{nodeid.split('::')[0]} {release[1] if release else ''}"


def in_order(nodeids: Sequence[str]) -> list[str]:
    """The names of the tests in the order to run them in; tests of one scope stay together, in the order they come in.

    First is one module of each Debian release: it makes the image and the prepared machine. The other workers run the unit
    tests meanwhile. Then the modules of hosts follow, the longest first.

    + nodeids: pytest's names of the tests
    """
    scopes: dict[str, list[str]] = {}
    for nodeid in nodeids:
        scopes.setdefault(scope(nodeid), []).append(nodeid)
    hosts = sorted((name for name in scopes if name.startswith("tests/host/")), key=_length)
    makers = [next((name for name in hosts if name.endswith(release)), "") for release in ("trixie", "bookworm")]
    first = [name for name in makers if name]
    units = [name for name in scopes if name not in hosts]
    order = [*first, *units, *(name for name in hosts if name not in first)]
    return [nodeid for name in order for nodeid in scopes[name]]


def _length(name: str) -> int:
    module = name.split()[0].rpartition("/")[2]
    return LONGEST.index(module) if module in LONGEST else len(LONGEST)
