"""switch.sh: a failure that says nothing about the version is recorded as that, and the reason is readable."""

from collections.abc import Callable

import pytest

from operations.release.history import Releases, Revision
from tests.unit.operations.programs.stubs import StubHost

NEW = "20260201000000"
NUMBERS = ",".join(str(byte) for byte in b"environment variable DATABASE_URL is missing.\n")
BOOT = f"Runtime terminating during boot ({{#{{message=><<{NUMBERS}>>,'__struct__'=>'Elixir.RuntimeError'}},[]}})"
REFUSED = "[error] Postgrex.Protocol (#PID<0.{}.0>) failed to connect: ** (DBConnection.ConnectionError) tcp connect"


def outcome(host: StubHost, version: str, *, good_before: bool) -> str:
    """What the log says of a version for the next release and the cleaning."""
    rows = [line.split("\t") for line in (host.state / "revisions.log").read_text().splitlines()]
    before = Revision("2026", "me", "release", version, "-", "good", "1")
    return Releases("0.1.0", {}, [*([before] if good_before else []), *(Revision(*row) for row in rows)]).outcome(
        version
    )


def test_postgresql_is_down_while_migrations_are_asked(host: StubHost) -> None:
    refused = "\n".join(f"echo '{REFUSED.format(number)}' >&2" for number in range(100, 108))
    host.stub("systemd-run", f"echo migrations:\n{refused}\nexit 1\n")
    words = host.run("release", "0.2.0")
    assert words.splitlines()[-1].endswith(
        "0.2.0 cannot reach its database, for the reason above; systemctl status postgresql tells more"
    )
    assert "... 7 more like this" in words
    assert "migrate = 'never'" not in words
    assert "migrations_command" not in words
    assert outcome(host, "0.2.0", good_before=True) == "good"
    assert outcome(host, "0.2.0", good_before=False) == "ended"


def test_postgresql_is_down_while_the_release_starts(host: StubHost) -> None:
    """The application answers 500, because it has no database."""
    host.stub("curl", "printf 500\n")
    host.set("health_timeout", 0)
    host.stub("runuser", "exit 2\n")
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert "PostgreSQL does not answer, so this says nothing against 0.2.0" in last
    assert outcome(host, "0.2.0", good_before=True) == "good"


def test_a_release_that_is_not_well_with_a_database_that_is(host: StubHost) -> None:
    host.stub("curl", "printf 500\n")
    host.set("health_timeout", 0)
    assert "PostgreSQL" not in host.run("release", "0.2.0").splitlines()[-1]
    assert outcome(host, "0.2.0", good_before=True) == "failed"


def test_the_database_elsewhere_is_not_asked(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(database_managed=False)
    host.stub("curl", "printf 500\n")
    host.set("health_timeout", 0)
    host.run("release", "0.2.0")
    assert host.called("runuser") == 0
    assert outcome(host, "0.2.0", good_before=False) == "failed"


def test_a_migration_that_lost_its_database(host: StubHost) -> None:
    host.migrations("down", NEW)
    body = (host.bin / "systemd-run").read_text().partition('calls"\n')[2]
    lost = f"echo '{REFUSED.format(1)}' >&2; exit 1;"
    host.stub("systemd-run", body.replace("*UP*)", f"*UP*) {lost}"))
    assert "the migration could not reach its database" in host.run("release", "0.2.0").splitlines()[-1]
    assert outcome(host, "0.2.0", good_before=False) == "ended"


@pytest.mark.parametrize("stream", ["1", "2"], ids=["distillery", "mix_release"])
def test_a_release_that_does_not_start_says_why_in_readable_words(host: StubHost, stream: str) -> None:
    host.stub("systemd-run", f'echo "{BOOT}" >&{stream}; exit 1\n')
    words = host.run("release", "0.2.0").splitlines()
    assert "Runtime terminating during boot: ** (RuntimeError) environment variable DATABASE_URL is missing." in words
    assert words[-1].endswith("0.2.0 does not start, for the reason above; the database was not touched")
    assert not any("migrations_command" in line for line in words)
    assert host.log == ["release 0.2.0 failed"]


def test_a_release_that_ends_early_with_success_has_no_list(host: StubHost) -> None:
    host.stub("systemd-run", "exit 0\n")
    words = host.run("release", "0.2.0")
    assert "0.2.0 does not start" in words.splitlines()[-1]
    assert "No migration is pending." not in words


def test_the_output_of_a_migration_is_readable(host: StubHost) -> None:
    host.migrations("down", NEW)
    body = (host.bin / "systemd-run").read_text().partition('calls"\n')[2]
    host.stub("systemd-run", body.replace("*UP*)", "*UP*) printf '\\033[31m<<104,105,33>>\\n';"))
    assert '"hi!"' in host.run("release", "0.2.0").splitlines()


def test_nothing_of_an_action_stays_beside_the_log(host: StubHost) -> None:
    host.migrations("down", NEW)
    host.run("release", "0.2.0")
    assert sorted(path.name for path in host.state.iterdir()) == ["backups", "revisions.log"]
