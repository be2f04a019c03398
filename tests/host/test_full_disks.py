"""Room ends before an action or in its middle: it says why, prod serves, and after room was made it goes through.

Where no row of `CASES` has a moment, room is gone before the action begins.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.cut_actions import NEW, OLD, PROD, repository, without_second_migration
from tests.host.project import Run
from tests.host.releases import Variant, build_variants
from tests.host.releasing import Watcher, entry_point, linked, release, version
from tests.host.small_disk import SmallDisk

pytestmark = TRIXIE

STATE, CACHE, HOME = "/var/lib/billing_stage", "/var/cache/billing_stage-build", "/home/billing/stage"
MEMORY = ["/tmp", "/dev/shm"]  # noqa: S108  no file is made by a name there

# By their names: shell commands that succeed from then on.
MOMENTS = {
    "switch": "systemctl is-active --quiet billing_stage-switch",
    "restarted": "grep -q ^restarted= /var/lib/billing_stage/switching",
    "migrating": "grep -q ^migrating= /var/lib/billing_stage/switching",
    "build": "systemctl is-active --quiet billing_stage-build",
}

# What a reason is made of.
REASON = re.compile(
    r"no space left|read-only|no inodes left|has no space|no room|make room|not enough space|i/o error|/run full",
    re.IGNORECASE,
)


class Case(NamedTuple):
    """Where room ends.

    + kind: bytes, inodes or read-only
    + place: directory
    + command: target of make
    + moment: one of MOMENTS; empty: before the command
    """

    kind: str
    place: str
    command: str
    moment: str = ""


CASES = [
    *(Case(kind, place, "apply") for kind in ("bytes", "inodes", "read-only") for place in (STATE, "/etc", "/run")),
    *(Case("bytes", place, "apply") for place in (*MEMORY, HOME, "/var/lib/postgresql")),
    *(
        Case(kind, place, "release", moment)
        for kind in ("bytes", "inodes", "read-only")
        for place in (STATE, HOME, "/run")
        for moment in ("switch", "restarted")
    ),
    *(Case("bytes", place, "release", moment) for place in (*MEMORY, "/var/log") for moment in ("", "switch")),
    Case("bytes", "/home/devops", "release"),
    *(Case(kind, STATE, "migrate", "migrating") for kind in ("bytes", "inodes", "read-only")),
    Case("bytes", "/var/lib/postgresql", "migrate", "switch"),
    *(
        Case(kind, place, "build", "build")
        for kind in ("bytes", "inodes", "read-only")
        for place in (CACHE, "/run", STATE)
    ),
    *(Case(kind, place, "restart", "switch") for kind in ("bytes", "read-only") for place in (STATE, HOME, "/run")),
]


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    return build_variants(release, tmp_path_factory.mktemp("variants"), [OLD, NEW, PROD])


@pytest.fixture(scope="module")
def watched(
    host: Host, built: dict[Variant, Path], tmp_path_factory: pytest.TempPathFactory, *, everything: bool
) -> Iterator[tuple[Host, Watcher]]:
    """0.1.0 in both environments, a client on prod, and, when there is time for everything, a build on stage."""
    path = repository(tmp_path_factory.mktemp("repository"))
    host.project.edit("all", settle_time=1, health_timeout=60, repository=str(path), build_packages=["erlang-p1-pgsql"])
    host.project.apply().require_success()
    for variant in (PROD, OLD):
        release(host, variant.environment, built[variant]).require_success()
    if everything:
        host.project.make("build", "ENV=stage").require_success()
    with Watcher(host.machine) as watcher:
        yield host, watcher


@contextmanager
def at(host: Host, moment: str, take_room: Callable[[], None]) -> Iterator[None]:
    """For the block, a thread waits for the moment and takes the room."""
    ended = threading.Event()

    def wait() -> None:
        while not ended.is_set():
            if host.machine.run(MOMENTS[moment], check=False).returncode == 0:
                take_room()
                return
            time.sleep(0.02)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def prepare(host: Host, command: str, built: dict[Variant, Path]) -> None:
    """The command has something to do."""
    if command == "apply":
        host.project.edit("stage", memory_limit=500 + secrets.randbelow(500))
        host.project.set_secrets("stage", database_password=secrets.token_hex(16))
    elif command == "release":
        without_second_migration(host)
        if linked(host.machine, "stage") != "0.1.0":
            entry_point(host, "deploys/rollback.py", "stage", VERSION="0.1.0").require_success()
        host.machine.run("cd /home/billing/stage/releases && ls -A | grep -vx 0.1.0 | xargs -r rm -r")
        host.machine.run("rm -f /var/lib/billing_stage/artifacts/billing-0.2*")
    elif command == "migrate":
        if linked(host.machine, "stage") != "0.2.0":
            release(host, "stage", built[NEW]).require_success()
        without_second_migration(host)
    elif command == "build":
        host.machine.run("rm -f /var/lib/billing_stage/artifacts/billing-0.1.0+*")


def run(host: Host, command: str, built: dict[Variant, Path]) -> Run:
    if command == "apply":
        return host.project.apply("--limit", "stage")
    if command == "release":
        return release(host, "stage", built[NEW])
    return host.project.make(command, "ENV=stage", *["YES=1"] * (command == "migrate"))


@pytest.mark.everything
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(filter(None, case)).replace("/", "_"))
def test_room_that_ends(watched: tuple[Host, Watcher], built: dict[Variant, Path], case: Case) -> None:
    host, watcher = watched
    prepare(host, case.command, built)
    disk = SmallDisk(host.machine, case.place)
    disk.create()
    complaints, before = len(watcher.complaints), version(host.machine, "stage")
    try:
        if case.moment:
            with at(host, case.moment, lambda: disk.take_room(case.kind)):
                first = run(host, case.command, built)
        else:
            disk.take_room(case.kind)
            first = run(host, case.command, built)
        serves = version(host.machine, "stage")
    finally:
        disk.make_room()
    wanted = "0.2.0" if case.command == "release" else before
    # A unit that is restarted at that moment does not start, whatever its release.
    down = ["502"] * (case.place == "/run" and case.moment == "restarted")
    assert serves in ([wanted] if first.exit_code == 0 else [before, *down]), first.output
    assert first.exit_code == 0 or REASON.search(first.output), first.output
    run(host, case.command, built).require_success()
    assert version(host.machine, "stage") == wanted
    assert watcher.complaints[complaints:] == []
