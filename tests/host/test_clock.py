"""The clock of a host is set between two releases, and while one waits for the application's health.

Machines under test share the clock of this computer, so a stand-in for `date`, which all programs ask, has another one.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.releases import Variant, build_variants, wait_until
from tests.host.releasing import begun, entry_point, log, release, version

pytestmark = [TRIXIE, pytest.mark.everything]

FIRST = Variant("stage", "0.1.0", migrations=1)
SECOND = Variant("stage", "0.2.0")
SLOW = Variant("stage", "0.3.0", "slow")
FOURTH = Variant("stage", "0.4.0")

DATE = '#!/bin/sh\nexec /usr/bin/date -d "$(cat /run/clock)" "$@"\n'


@pytest.fixture(scope="module")
def built(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, Path]:
    """All tarballs this module releases."""
    return build_variants(release, tmp_path_factory.mktemp("variants"), [FIRST, SECOND, SLOW, FOURTH])


@pytest.fixture(scope="module")
def settable(host: Host, built: dict[Variant, Path]) -> Iterator[Host]:
    """A machine whose clock can be set, with the first release."""
    host.machine.run("cat > /usr/local/sbin/date && chmod 755 /usr/local/sbin/date", stdin=DATE)
    set_clock(host, "now")
    host.project.edit("stage", settle_time=1, health_timeout=90)
    release(host, "stage", built[FIRST]).require_success()
    yield host
    host.machine.run("rm /usr/local/sbin/date")


def set_clock(host: Host, words: str) -> None:
    """The clock is set.

    + words: from the true time, e.g. "1 hour ago"
    """
    host.machine.run(f"echo '{words}' > /run/clock.new && mv /run/clock.new /run/clock")


def numbers(host: Host) -> list[int]:
    """The numbers of the dumps by the time in their names."""
    names = host.machine.run("ls /var/lib/billing_stage/backups | grep 'dump$'").stdout.split()
    return [int(name.split("-")[2]) for name in names]


def seconds(host: Host) -> list[int]:
    lines = host.machine.run("cat /var/lib/billing_stage/revisions.log").stdout.splitlines()
    return [int(line.split("\t")[6]) for line in lines]


def test_an_hour_back_and_a_day_ahead_between_two_releases(settable: Host, built: dict[Variant, Path]) -> None:
    set_clock(settable, "1 hour ago")
    release(settable, "stage", built[SECOND]).require_success()
    # The dumps' names are in another order than the dumps, and none is lost.
    assert numbers(settable) == [2, 1]
    entry_point(settable, "deploys/rollback.py", "stage").require_success()
    assert version(settable.machine, "stage") == "0.1.0"
    set_clock(settable, "1 day")
    release(settable, "stage", built[SECOND]).require_success()
    set_clock(settable, "now")
    entry_point(settable, "deploys/restart.py", "stage").require_success()
    assert log(settable.machine, "stage") == [
        ("release", "0.1.0", "good"), ("release", "0.2.0", "good"), ("rollback", "0.1.0", "good"),
        ("rollback", "0.2.0", "left"), ("release", "0.2.0", "good"), ("restart", "0.2.0", "good"),
    ]  # fmt: skip
    assert [one for one in seconds(settable) if not 0 <= one < 300] == []
    assert settable.project.planned("--limit", "stage") == {}
    assert "nothing is wrong" in settable.project.make("doctor", "ENV=stage").require_success().output


@pytest.mark.parametrize(("words", "variant"), [("1 hour ago", SLOW), ("1 day", FOURTH)], ids=["back", "ahead"])
def test_while_a_release_waits_for_the_application(
    settable: Host, built: dict[Variant, Path], words: str, variant: Variant
) -> None:
    set_clock(settable, "now")
    with begun(settable, "deploys/release.py", "stage", TARBALL=str(built[variant])) as (process, output):
        progress = "grep -q ^restarted= /var/lib/billing_stage/switching"
        wait_until(lambda: settable.machine.run(progress, check=False).returncode == 0, "the restart", 120)
        set_clock(settable, words)
        assert process.wait(180) == 0, output.read_text()
    assert f"release {variant.version}: done" in output.read_text()
    set_clock(settable, "now")
    assert version(settable.machine, "stage") == variant.version
    assert log(settable.machine, "stage")[-1] == ("release", variant.version, "good")
    assert 0 <= seconds(settable)[-1] < 180
    assert settable.project.planned("--limit", "stage") == {}
