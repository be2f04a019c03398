"""A release that goes well."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.unit.operations.programs.stubs import FIRST, SECOND, World

RESTART = "systemctl restart billing_stage.service"


def test_a_release_migrates_after_a_backup_links_and_restarts_once(world: World) -> None:
    run = world.run("release", "0.2.0")
    assert (run.status, run.last) == (0, "release 0.2.0: done")
    assert (world.linked, world.running, world.applied) == ("releases/0.2.0", "0.2.0", [FIRST, SECOND])
    assert world.order("pg_dump", "billing eval Billing.Release.migrate()", RESTART, "curl", "setpriv") == [
        "pg_dump", "billing eval Billing.Release.migrate()", RESTART, "curl", "setpriv", "curl",
    ]  # fmt: skip
    assert f"Migrating: {SECOND} add_paid" in run.lines
    assert "0.2.0 runs and answers." in run.lines
    assert not world.progress.exists()


def test_a_line_of_the_log(world: World) -> None:
    before = int(time.time())
    world.run("release", "0.2.0")
    [[when, *others, seconds]] = world.log_fields
    assert others == ["alice@desk", "release", "0.2.0", "abc1234", "good"]
    logged = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    assert before <= logged <= time.time()
    assert 0 <= int(seconds) <= time.time() - before
