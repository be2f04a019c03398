"""switch.sh keeps the digested files of releases for pages that are open while another release comes."""

from collections.abc import Callable
from pathlib import Path

from tests.unit.operations.programs.stubs import StubHost

DIGEST = "d41d8cd98f00b204e9800998ecf8427e"


def asset(host: StubHost, version: str, name: str, text: str) -> Path:
    """A file that a release serves."""
    path = host.root / f"releases/{version}/lib/billing-1/priv/static/{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def kept(host: StubHost) -> dict[str, str]:
    """What nginx can serve, by name."""
    root = host.path / "static"
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_files_of_both_releases_are_there_and_everybody_can_read_them(host: StubHost) -> None:
    asset(host, "0.1.0", f"assets/app-{DIGEST}.js", "old")
    asset(host, "0.2.0", f"assets/app-{DIGEST[::-1]}.js", "new")
    asset(host, "0.2.0", f"images/deep/logo-{DIGEST}.svg.map", "map")
    for name in ("assets/app.js", "robots.txt", "cache_manifest.json", f"assets/app-{DIGEST}.js.gz", f"app-{DIGEST}"):
        asset(host, "0.2.0", name, "no digest, or nothing that nginx needs")
    host.run("release", "0.2.0")
    assert kept(host) == {
        f"assets/app-{DIGEST}.js": "old",
        f"assets/app-{DIGEST[::-1]}.js": "new",
        f"images/deep/logo-{DIGEST}.svg.map": "map",
    }
    modes = {path.stat().st_mode & 0o777 for path in (host.path / "static").rglob("*")}
    assert modes == {0o644, 0o755}


def test_files_go_with_the_last_release_that_has_them(host: StubHost) -> None:
    for version in ("0.1.0", "0.2.0"):
        asset(host, version, f"assets/both-{DIGEST}.js", "both")
    gone = host.path / f"static/old/gone-{DIGEST}.js"
    gone.parent.mkdir(parents=True)
    gone.write_text("gone")
    host.run("release", "0.2.0")
    assert kept(host) == {f"assets/both-{DIGEST}.js": "both"}
    assert not gone.parent.exists()


def test_a_release_cannot_lead_elsewhere(host: StubHost) -> None:
    secret = host.path / f"secret/key-{DIGEST}.pem"
    secret.parent.mkdir()
    secret.write_text("secret")
    asset(host, "0.2.0", f"assets/app-{DIGEST}.js", "fine")
    (host.root / "releases/0.2.0/lib/billing-1/priv/static" / f"link-{DIGEST}.js").symlink_to(secret)
    (host.root / "releases/0.2.0/lib/billing-2/priv").mkdir(parents=True)
    (host.root / "releases/0.2.0/lib/billing-2/priv/static").symlink_to(secret.parent)
    host.run("release", "0.2.0")
    assert kept(host) == {f"assets/app-{DIGEST}.js": "fine"}


def test_without_files_there_is_nothing(host: StubHost) -> None:
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert not (host.path / "static").exists()


def test_copies_fill_no_disk(stub_host: Callable[..., StubHost]) -> None:
    for free, fits in ((65536 + 8191, False), (65536 + 8192 + 64, True)):
        host = stub_host()
        asset(host, "0.2.0", f"assets/large-{DIGEST}.js", "x" * (8 << 20))
        host.stub("df", f'case "$*" in *avail*/*) echo Avail; echo {free} ;; *) exec /bin/df "$@" ;; esac')
        words = host.run("release", "0.2.0")
        assert ("static has no room for the files of 0.2.0: a page that is open now may miss one" in words) != fits
        assert (kept(host) != {}) == fits
        assert words.splitlines()[-1] == "release 0.2.0: done"


def test_files_that_are_kept_already_need_no_room(host: StubHost) -> None:
    asset(host, "0.2.0", f"assets/large-{DIGEST}.js", "x" * (8 << 20))
    host.run("release", "0.2.0")
    host.stub("df", 'case "$*" in *avail*/*) echo Avail; echo 65536 ;; *) exec /bin/df "$@" ;; esac')
    assert "has no room for the files" not in host.run("restart")
