"""switch.sh: a migration that waits for a lock gives up, is tried again, and the holder of the lock is named."""

from collections.abc import Callable

import pytest

from tests.unit.operations.programs.stubs import StubHost

NEW = "20260201000000"
REFUSED = "** (Postgrex.Error) ERROR 55P03 (lock_not_available) canceling statement due to lock timeout"

# The migration fails that often because of a lock. $HOST/tries holds what each try was given as the limit.
LOCKED = f"""\
case "$*" in
    *LIST*)
        echo migrations:
        if [ -e "$HOST/done" ]; then echo "up {NEW} name"; else echo "down {NEW} name"; cat "$HOST/outside"; fi ;;
    *UP*)
        echo "$*" | grep -o 'limits = if [0-9]*' | cut -d ' ' -f 4 >> "$HOST/tries"
        if [ "$(grep -c . "$HOST/tries")" -le "$(cat "$HOST/locked")" ]; then
            until [ ! -e "$HOST/held" ] || grep -q ^psql "$HOST/calls"; do :; done
            echo "{REFUSED}" >&2
            exit 1
        fi
        : > "$HOST/done" ;;
esac
"""
HOLDER = "It waits for a lock. Process 42 of PostgreSQL holds it: user ann, application psql, idle in transaction"


@pytest.fixture
def locked(stub_host: Callable[..., StubHost]) -> Callable[..., StubHost]:
    """Makes a host whose migration fails this often."""

    def make(times: int, **settings: object) -> StubHost:
        host = stub_host(**settings)
        host.stub("systemd-run", LOCKED)
        (host.path / "locked").write_text(f"{times}\n")
        (host.path / "outside").touch()
        return host

    return make


def tries(host: StubHost) -> list[str]:
    return (host.path / "tries").read_text().split()


def test_a_migration_is_tried_again(locked: Callable[..., StubHost]) -> None:
    host = locked(2)
    words = host.run("release", "0.2.0")
    assert words.count("The migration waited 5 seconds for a lock and gave up") == 2
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert tries(host) == ["5", "5", "5"]
    assert [call for call in host.calls if call.startswith("sleep ") and len(call) > 9] == []
    assert host.order("sleep 5", "sleep 10") == sorted(host.order("sleep 5", "sleep 10"))


def test_after_four_times_it_ends_and_says_nothing_against_the_version(locked: Callable[..., StubHost]) -> None:
    host = locked(99, migration_lock_timeout=7)
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert "the migration waited for a lock four times, 7 seconds each, and gave up" in last
    assert tries(host) == ["7"] * 4
    assert (host.current, host.log) == ("0.1.0", ["release 0.2.0 ended"])


def test_another_failure_is_not_tried_again(locked: Callable[..., StubHost]) -> None:
    host = locked(99)
    host.stub("systemd-run", LOCKED.replace(REFUSED, "** (Postgrex.Error) ERROR 42P07 (duplicate_table)"))
    assert "the migration failed, for the reason above" in host.run("release", "0.2.0").splitlines()[-1]
    assert tries(host) == ["5"]
    assert host.log == ["release 0.2.0 failed"]


def test_a_migration_outside_a_transaction_has_no_limit(locked: Callable[..., StubHost]) -> None:
    host = locked(0)
    (host.path / "outside").write_text(f"outside down {NEW} name\n")
    words = host.run("release", "0.2.0")
    assert f"{NEW} runs outside a transaction, so it waits for a lock as long as it takes" in words
    assert tries(host) == ["0"]


def test_one_that_is_applied_already_does_not_matter(locked: Callable[..., StubHost]) -> None:
    host = locked(0)
    (host.path / "outside").write_text("up 20250101000000 old\noutside up 20250101000000 old\n")
    host.run("release", "0.2.0")
    assert tries(host) == ["5"]


def test_the_holder_of_the_lock_is_named(locked: Callable[..., StubHost]) -> None:
    """What psql prints each second is shown once."""
    host = locked(1)
    (host.path / "held").touch()
    shown = "".join(f"echo '{HOLDER}, in a transaction that began {age} s ago: ALTER'\n" for age in range(20, 24))
    host.stub("psql", f"{shown} exec cat\n")
    words = host.run("release", "0.2.0").splitlines()
    assert f"{HOLDER}, in a transaction that began 20 s ago: ALTER" in words
    assert "... 3 more like this" in words
    assert f"{HOLDER}, in a transaction that began 21 s ago: ALTER" not in words
    assert words[-1] == "release 0.2.0: done"


def test_nobody_is_asked_about_a_database_elsewhere(locked: Callable[..., StubHost]) -> None:
    host = locked(1, database_managed=False)
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert host.called("runuser") == 0
    assert host.called("psql") == 0
