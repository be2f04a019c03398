"""The order of the tests: no worker waits for a machine's image while a core is free, and the longest come first."""

import re
from collections.abc import Mapping

# Seconds of what takes longest in a test, on two idle cores: functions, and targets of make.
_SECONDS = {
    "boot": 25, "explore": 20, "update": 12, "build": 8, "promote": 8, "reboot": 8, "release": 7, "begun": 7,
    "build_variants": 6, "killed_apply": 6, "restarts_without_an_answer": 6, "converge": 5, "entry_point": 5, "run_in": 5,
    "applied": 4, "apply": 4, "asked": 4, "planned_and_applied": 4, "assert_found": 3, "assert_well": 3, "doctor": 3,
    "start": 2, "drift": 2, "drifted": 2, "make": 2, "planned": 2, "pyinfra": 2, "in_unit": 1, "rpc": 1, "wait_for_page": 1,
}  # fmt: skip
_WORD = re.compile(rf"\b({'|'.join(_SECONDS)})[(\"]")


def scope(nodeid: str) -> str:
    """The module and the Debian release of a test; tests of one scope share a machine.

    + nodeid: pytest's name of the test
    """
    release = re.search(r"\b(trixie|bookworm)\b.*\]$", nodeid)
    return f"{nodeid.split('::')[0]} {release[1] if release else ''}"


def length(source: str) -> float:
    """About how many seconds a test or a fixture takes.

    + source: its text
    """
    return 0.3 + sum(_SECONDS[word] for word in _WORD.findall(source))


def in_order(lengths: Mapping[str, float]) -> list[str]:
    """The names of the tests in the order to run them in; tests of one scope stay together, in the order they come in.

    First is one module of each Debian release: it makes the image and the prepared machine. The other workers run the unit
    tests meanwhile. Then the modules of hosts follow, the longest first, so that all workers end at about the same time.

    + lengths: seconds by pytest's name of the test
    """
    scopes: dict[str, list[str]] = {}
    total: dict[str, float] = {}
    for nodeid, one in lengths.items():
        scopes.setdefault(scope(nodeid), []).append(nodeid)
        total[scope(nodeid)] = total.get(scope(nodeid), 0) + one
    # Rounded: each worker adds the same seconds in another order, and all workers must agree.
    hosts = sorted((name for name in scopes if name.startswith("tests/host/")), key=lambda name: -round(total[name], 3))
    makers = [next((name for name in hosts if name.endswith(release)), "") for release in ("trixie", "bookworm")]
    first = [name for name in makers if name]
    units = [name for name in scopes if name not in hosts]
    order = [*first, *units, *(name for name in hosts if name not in first)]
    return [nodeid for name in order for nodeid in scopes[name]]
