"""switch.sh: the unit gets the revision of the release that runs, also after going back."""

import pytest

from tests.unit.operations.programs.stubs import StubHost


def revision(host: StubHost) -> str | None:
    """What systemd reads: the same revision under both names."""
    path = host.state / "revision"
    if not path.exists():
        return None
    app, release = path.read_text().splitlines()
    assert release.removeprefix("RELEASE_REVISION=") == app.removeprefix("APP_REVISION=")
    assert path.stat().st_mode & 0o777 == 0o600
    return app.removeprefix("APP_REVISION=")


def test_a_release_has_its_revision_when_it_starts(host: StubHost) -> None:
    stub = (host.bin / "systemctl").read_text().partition('calls"\n')[2]
    host.stub("systemctl", f'case "$1" in restart) cat "$HOST/state/revision" > "$HOST/seen" ;; esac\n{stub}')
    host.run("release", "0.2.0", REVISION="6bfed7e")
    assert (host.path / "seen").read_text() == "APP_REVISION=6bfed7e\nRELEASE_REVISION=6bfed7e\n"


def test_each_release_has_its_own(host: StubHost) -> None:
    host.run("release", "0.1.0", REVISION="aaaaaaa")
    host.run("release", "0.2.0", REVISION="bbbbbbb")
    assert revision(host) == "bbbbbbb"
    host.run("rollback", "0.1.0")
    assert revision(host) == "aaaaaaa"
    host.run("rollback", "0.2.0")
    assert revision(host) == "bbbbbbb"
    host.run("restart")
    assert revision(host) == "bbbbbbb"


def test_a_bad_release_takes_its_revision_along(host: StubHost) -> None:
    host.run("release", "0.1.0", REVISION="aaaaaaa")
    host.stub("node", "exit 1\n")
    assert "Going back to 0.1.0" in host.run("release", "0.2.0", REVISION="bbbbbbb")
    assert revision(host) == "aaaaaaa"


def test_a_version_that_was_built_anew_has_the_newer_one(host: StubHost) -> None:
    host.run("release", "0.1.0", REVISION="aaaaaaa")
    host.run("release", "0.1.0", REVISION="ccccccc")
    host.run("release", "0.2.0", REVISION="bbbbbbb")
    host.run("rollback", "0.1.0")
    assert revision(host) == "ccccccc"


@pytest.mark.parametrize("unknown", ["-", "", "a b", "$(id)", "a" * 65])
def test_a_release_without_a_revision_has_not_that_of_before(host: StubHost, unknown: str) -> None:
    (host.state / "revision").write_text("APP_REVISION=aaaaaaa\nRELEASE_REVISION=aaaaaaa\n")
    host.run("release", "0.2.0", REVISION=unknown)
    assert revision(host) is None


def test_a_release_that_nobody_recorded_has_none(host: StubHost) -> None:
    host.run("release", "0.2.0", REVISION="bbbbbbb")
    host.run("rollback", "0.1.0")
    assert revision(host) is None


def test_a_revision_that_cannot_be_written_keeps_no_release_from_running(host: StubHost) -> None:
    host.stub("rm", 'case "$*" in *state/revision) mkdir -p "$HOST/state/revision" ;; *) exec /bin/rm "$@" ;; esac\n')
    (host.bin / "mkdir").symlink_to("/bin/mkdir")
    words = host.run("release", "0.2.0", REVISION="bbbbbbb")
    assert f"The revision could not be written to {host.state}/revision: APP_REVISION is not set" in words
    assert words.splitlines()[-1] == "release 0.2.0: done"
