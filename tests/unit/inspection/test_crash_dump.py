"""The crash dump of an Erlang VM: the program that looks for it, and what doctor says of it."""

import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inspection.crash_dump import CrashDump, NewestCrashDump, finding

NOW = 1_795_824_600


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """The private directory, beside a link to a release that was made now."""
    link = tmp_path / "billing"
    link.symlink_to("releases/0.1.0")
    os.utime(link, (NOW, NOW), follow_symlinks=False)
    (tmp_path / "private").mkdir()
    return tmp_path / "private"


def dump(path: Path, age: int, slogan: str = "no more memory") -> Path:
    """A dump that is so many seconds older than the link."""
    path.write_text(f"=erl_crash_dump:0.5\nSat Nov 28 00:10:00 2026\nSlogan: {slogan}\nSystem version: 27\n")
    os.utime(path, (NOW - age, NOW - age))
    return path


def newest(private: Path) -> CrashDump | None:
    """What the program finds."""
    fact = NewestCrashDump()
    unit = private.parent / "unit"
    unit.write_text("[Service]\nUser=billing_stage\n[Install]\n")
    stub = private.parent / "systemd-run"
    stub.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nfor word; do shift; set -- "$@" '
                    '"$(printf %s "$word" | sed "s/[$][$]/$/g")"; done\nexec "$@"\n')  # fmt: skip
    stub.chmod(0o755)
    command = fact.command(str(unit), str(private / "erl_crash.dump"), str(private.parent / "billing")).get_raw_value()
    path = {"PATH": f"{private.parent}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, env=path)
    assert done.stderr == ""
    return fact.process(done.stdout.splitlines()) if done.stdout else None


def test_the_newest_one_is_found(private: Path) -> None:
    dump(private / "erl_crash.dump.last.before", -1)
    path = dump(private / "erl_crash.dump.last", -2, "Kernel pid terminated")
    assert newest(private) == CrashDump(datetime.fromtimestamp(NOW + 2, UTC), str(path), "Kernel pid terminated")
    path = dump(private / "erl_crash.dump", -3)
    assert newest(private) == CrashDump(datetime.fromtimestamp(NOW + 3, UTC), str(path), "no more memory")


def test_a_dump_of_an_earlier_release_is_old_news(private: Path) -> None:
    dump(private / "erl_crash.dump", 1)
    assert newest(private) is None


def test_a_clock_that_was_set_back_since_the_release_hides_no_dump(private: Path) -> None:
    later = time.time() + 86400
    os.utime(private.parent / "billing", (later, later), follow_symlinks=False)
    path = dump(private / "erl_crash.dump", 0)
    assert newest(private) == CrashDump(datetime.fromtimestamp(NOW, UTC), str(path), "no more memory")


def test_what_is_no_dump_is_left_alone(private: Path) -> None:
    dump(private.parent / "elsewhere", -1)
    (private / "erl_crash.dump").symlink_to(private.parent / "elsewhere")
    (private / "erl_crash.dump.last").mkdir()
    dump(private / "other", -1)
    assert newest(private) is None


def test_without_a_release_there_is_none(private: Path) -> None:
    dump(private / "erl_crash.dump", -1)
    (private.parent / "billing").unlink()
    assert newest(private) is None


def test_a_dump_without_a_reason(private: Path) -> None:
    (private / "erl_crash.dump").write_bytes(b"\0\xff")
    found = newest(private)
    assert found is not None
    assert found.reason == ""
    assert finding(found).what.endswith(": without a reason")


def test_the_reason_is_readable(private: Path) -> None:
    """Erlang writes Elixir's texts as numbers, and whatever the application chose."""
    dump(private / "erl_crash.dump", -1, "Runtime terminating (<<110,111,32,100,97,116,97>>)\x1b[2J\x07" + "x" * 1000)
    found = newest(private)
    assert found is not None
    assert found.reason.startswith('Runtime terminating ("no data")xxx')
    told = finding(found)
    assert told.what.startswith('the Erlang VM crashed at 2026-11-28 00:10 UTC: Runtime terminating ("no data")x')
    assert len(told.what) < 400
    assert str(private / "erl_crash.dump") in told.mend
