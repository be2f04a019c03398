"""switch.sh: migrations of several repos, each with its own versions."""

from collections.abc import Callable

import pytest

from tests.unit.operations.programs.stubs import StubHost

OLD, NEW = "20260101000000", "20260201000000"
REPO, AUDIT = "Billing.Repo", "Billing.Audit"

# A release with a list in a file. UP and DOWN carry out the sed scripts in $HOST/up_does and $HOST/down_does.
RELEASE = """\
case "$*" in
    *LIST*) echo migrations:; cat "$HOST/list" ;;
    *DOWN*) sed -i -f "$HOST/down_does" "$HOST/list" ;;
    *UP*) sed -i -f "$HOST/up_does" "$HOST/list" ;;
esac
"""


@pytest.fixture
def two(stub_host: Callable[..., StubHost]) -> StubHost:
    """A release with two repos: in each one migration is applied, and the second has a pending one."""
    host = stub_host(migrate_down_command="DOWN {repo} {version}")
    host.stub("systemd-run", RELEASE)
    lists(host, f"up {OLD} users [{REPO}]", f"up {OLD} entries [{AUDIT}]", f"down {NEW} more [{AUDIT}]")
    (host.path / "up_does").write_text("s/^down/up/\n")
    return host


def lists(host: StubHost, *lines: str) -> None:
    (host.path / "list").write_text("".join(f"{line}\n" for line in lines))


def test_a_pending_migration_of_a_second_repo_is_run(two: StubHost) -> None:
    words = two.run("release", "0.2.0")
    assert f"Migrating: {AUDIT}:{NEW} more" in words
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert two.called(" UP") == 1


def test_a_repo_that_was_left_out_is_named(two: StubHost) -> None:
    """A Release.migrate/0 that knows one repo alone succeeds, and the tables of the other one are missing."""
    lists(two, f"down {OLD} users [{REPO}]", f"down {OLD} entries [{AUDIT}]")
    (two.path / "up_does").write_text(f"/{REPO}/s/^down/up/\n")
    last = two.run("release", "0.2.0").splitlines()[-1]
    assert last.endswith(f"these migrations are still pending: {AUDIT}:{OLD}")
    assert two.log == ["release 0.2.0 failed"]
    assert two.current == "0.1.0"


def test_the_state_of_each_repo_is_told_after_a_failure(two: StubHost) -> None:
    (two.path / "up_does").write_text("s/^down/up/\n")
    body = RELEASE.replace('"$HOST/list" ;;\nesac', '"$HOST/list"; exit 1 ;;\nesac')
    two.stub("systemd-run", body)
    words = two.run("release", "0.2.0")
    before = f"{REPO}:{OLD} {AUDIT}:{OLD}"
    assert f"applied are the migrations {before} {AUDIT}:{NEW}; before, {before}." in words


def test_the_version_decides_the_repo(two: StubHost) -> None:
    lists(two, f"up {OLD} users [{REPO}]", f"up 20260301000000 late [{REPO}]", f"up {NEW} more [{AUDIT}]")
    (two.path / "down_does").write_text(f"/{AUDIT}/s/^up/down/\n")
    words = two.run("migrate-down", NEW)
    assert words.splitlines()[-1] == "migrate-down 0.1.0: done"
    assert f"Taking back migrations down to {AUDIT}:{NEW}" in words
    assert two.called(f" DOWN {AUDIT} {NEW}") == 1


def test_a_version_that_two_repos_have_needs_the_repo(two: StubHost) -> None:
    last = two.run("migrate-down", OLD).splitlines()[-1]
    assert last.endswith(f"migration {OLD} is applied in several repos: say which, one of {AUDIT}:{OLD} {REPO}:{OLD}")
    assert two.called(" DOWN") == 0
    assert two.backups == []
    (two.path / "down_does").write_text(f"/{AUDIT}/s/^up/down/\n")
    assert two.run("migrate-down", f"{AUDIT}:{OLD}").splitlines()[-1] == "migrate-down 0.1.0: done"
    assert two.called(f" DOWN {AUDIT} {OLD}") == 1


def test_what_is_still_applied_is_told_of_the_same_repo_alone(two: StubHost) -> None:
    lists(two, f"up 20260301000000 late [{REPO}]", f"up {OLD} entries [{AUDIT}]", f"up {NEW} more [{AUDIT}]")
    (two.path / "down_does").write_text(f"/{NEW}/s/^up/down/\n")
    last = two.run("migrate-down", OLD).splitlines()[-1]
    assert last.endswith(f"these migrations are still applied: {AUDIT}:{OLD}")


def test_repos_that_share_a_table_of_versions(two: StubHost) -> None:
    """Ecto lists what the other repo applied as without a file."""
    missing = "** FILE NOT FOUND **"
    lists(two, f"up {NEW} more [{REPO}]", f"up {NEW} {missing} [{AUDIT}]")
    (two.path / "down_does").write_text(f"/{REPO}/s/^up/down/\n")
    assert two.run("migrate-down", NEW).splitlines()[-1] == "migrate-down 0.1.0: done"
    assert two.called(f" DOWN {REPO} {NEW}") == 1


def test_the_release_with_the_file_is_found_wherever_the_repo_keeps_it(two: StubHost) -> None:
    lists(two, f"up {NEW} ** FILE NOT FOUND ** [{AUDIT}]", f"up {OLD} users [{REPO}]")
    folder = two.root / "releases/0.2.0/lib/billing_audit-1/priv/repos/audit/migrations/2026"
    folder.mkdir(parents=True)
    (folder / f"{NEW}_more.exs").touch()
    last = two.run("migrate-down", NEW).splitlines()[-1]
    assert f"does not have the files of: {AUDIT}:{NEW}; 0.2.0 has them" in last
    assert f"make rollback ENV=root MIGRATE_DOWN={AUDIT}:{NEW}" in last


def test_a_rollback_takes_back_migrations_of_one_repo(two: StubHost) -> None:
    two.link("0.2.0")
    lists(two, f"up {OLD} users [{REPO}]", f"up {NEW} more [{AUDIT}]")
    (two.path / "down_does").write_text(f"/{AUDIT}/s/^up/down/\n")
    assert two.run("rollback", "0.1.0", NEW).splitlines()[-1] == "rollback 0.1.0: done"
    assert two.called(f" DOWN {AUDIT} {NEW}") == 1


@pytest.mark.parametrize("line", ["up x y [Billing.Repo]", "up 1; rm y", f"down {NEW}x y", "updown 1 x"])
def test_other_lines_are_no_migrations(two: StubHost, line: str) -> None:
    lists(two, f"up {OLD} users [{REPO}]", line)
    assert "No migration is pending." in two.run("release", "0.2.0")


def test_an_application_without_repos_has_nothing_to_migrate(two: StubHost) -> None:
    lists(two)
    words = two.run("release", "0.2.0")
    assert "No migration is pending." in words
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert "migrations_command" not in words
