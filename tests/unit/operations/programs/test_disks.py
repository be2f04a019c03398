"""The log of how full the file systems are, and the days until one is full."""

import time
from collections.abc import Callable

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox

HOUR = 3600
DF = """\
echo 'Type Used Avail Mounted on'
echo 'ext4 1000 9000 /'
echo 'tmpfs 1 9 /run'
echo 'ext4 500 100 /srv/large files'
"""


def lines(sandbox: Sandbox) -> list[list[str]]:
    sandbox.stub("df", DF)
    done = sandbox.run("disk_log.sh", str(sandbox.directory / "disk.log"))
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split(" ", 3) for line in (sandbox.directory / "disk.log").read_text().splitlines()]


def test_each_file_system_is_noted_with_the_time(sandbox: Sandbox) -> None:
    noted = lines(sandbox)
    assert [line[1:] for line in noted] == [["1000", "9000", "/"], ["500", "100", "/srv/large files"]]
    assert all(abs(int(line[0]) - time.time()) < 60 for line in noted)
    assert len(lines(sandbox)) == 4


def test_the_root_of_a_container_counts(sandbox: Sandbox) -> None:
    sandbox.stub("df", "echo 'Type Used Avail Mounted on'; echo 'overlay 7 8 /'; echo 'overlay 7 8 /var/lib/docker/x'")
    assert sandbox.run("disk_log.sh", str(sandbox.directory / "disk.log")).returncode == 0
    [line] = (sandbox.directory / "disk.log").read_text().splitlines()
    assert line.split()[1:] == ["7", "8", "/"]


@pytest.mark.parametrize("hours", [-15 * 24, 2])
def test_old_lines_go_and_so_do_those_of_another_clock(sandbox: Sandbox, hours: int) -> None:
    (sandbox.directory / "disk.log").write_text(f"{int(time.time()) + hours * HOUR} 1 2 /\ncut off\n")
    assert len(lines(sandbox)) == 2


def forecast(sandbox: Sandbox, use: Callable[[int], float], hours: int = 72, size: int = 10_000_000) -> list[str]:
    """What is told of a file system with this use in KiB, hour by hour, up to now."""
    now = int(time.time())
    noted = [
        f"{now + (hour - hours) * HOUR} {int(use(hour))} {int(size - use(hour))} /srv/a b" for hour in range(hours + 1)
    ]
    (sandbox.directory / "disk.log").write_text("\n".join(noted) + "\n")
    done = sandbox.run("disk_forecast.sh", str(sandbox.directory / "disk.log"))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_disk_that_fills_up_has_days(sandbox: Sandbox) -> None:
    # 100,000 KiB an hour: 2,800,000 are left after three days, which is 28 hours.
    assert forecast(sandbox, lambda hour: 100_000 * hour) == ["1 /srv/a b"]
    assert forecast(sandbox, lambda hour: 10_000 * hour) == ["38 /srv/a b"]


def test_a_disk_that_fills_up_between_cleanups_has_days_too(sandbox: Sandbox) -> None:
    assert forecast(sandbox, lambda hour: 50_000 * hour + 300_000 * (hour % 24) / 24) == ["5 /srv/a b"]


@pytest.mark.parametrize(
    "use",
    [
        lambda _: 5_000_000,
        lambda hour: 9_000_000 - 50_000 * hour,
        # A large file: in the older half, and in the newer.
        lambda hour: 2_000_000 if hour < 20 else 8_000_000,
        lambda hour: 2_000_000 + 4_000_000 * (hour % 24) / 24,
    ],
    ids=["even", "emptied", "a large file", "emptied each day"],
)
def test_no_trend_is_no_warning(sandbox: Sandbox, use: Callable[[int], float]) -> None:
    told = forecast(sandbox, use)
    assert [line for line in told if int(line.split()[0]) < 7] == []


def test_a_short_time_shows_no_trend(sandbox: Sandbox) -> None:
    assert forecast(sandbox, lambda hour: 900_000 * hour, hours=10) == []


def test_without_a_log_nothing_is_told(sandbox: Sandbox) -> None:
    done = sandbox.run("disk_forecast.sh", str(sandbox.directory / "disk.log"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
