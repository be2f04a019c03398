"""Self-signed certificates, by the real openssl."""

import subprocess
from pathlib import Path

import pytest

from operations.site import RENEW_SECONDS, SUBJECT, VALID_DAYS, SelfSignedNames
from tests.unit.operations.programs.sandboxed import Sandbox

NAMES = ("example.com", "www.example.com")
DAY = 24 * 3600


@pytest.fixture
def pem(sandbox: Sandbox) -> Path:
    """Place of the file with key and certificate."""
    directory = sandbox.directory / "tls"
    directory.mkdir()
    return directory / "prod.pem"


def issue(
    sandbox: Sandbox, pem: Path, names: tuple[str, ...] = NAMES, days: int = VALID_DAYS
) -> subprocess.CompletedProcess[str]:
    alternatives = ",".join(f"DNS:{name}" for name in names)
    return sandbox.run("issue_certificate.sh", str(pem), alternatives, str(days), SUBJECT)


def read(sandbox: Sandbox, pem: Path, seconds: int = RENEW_SECONDS) -> list[str] | None:
    done = sandbox.run("certificate_names.sh", str(pem), str(seconds))
    assert (done.returncode, done.stderr) == (0, "")
    return SelfSignedNames().process(done.stdout.splitlines())


def openssl(*arguments: str, stdin: str = "") -> str:
    return subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True).stdout


def test_key_and_certificate_come_together(sandbox: Sandbox, pem: Path) -> None:
    done = issue(sandbox, pem)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(pem.parent.iterdir()) == [pem]
    assert pem.stat().st_mode & 0o777 == 0o600
    public = openssl("pkey", "-in", str(pem), "-pubout")
    assert openssl("x509", "-in", str(pem), "-noout", "-pubkey") == public
    assert openssl("x509", "-in", str(pem), "-noout", "-subject", "-nameopt", "RFC2253") == "subject=O=self-signed\n"
    assert "CA:FALSE" in openssl("x509", "-in", str(pem), "-noout", "-ext", "basicConstraints")


def test_the_names_are_read_back(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    assert read(sandbox, pem) == sorted(NAMES)


@pytest.mark.parametrize(("days", "names"), [(31, sorted(NAMES)), (29, [])])
def test_one_that_expires_soon_has_no_names(sandbox: Sandbox, pem: Path, days: int, names: list[str]) -> None:
    issue(sandbox, pem, days=days)
    assert read(sandbox, pem, 30 * DAY) == names


def test_another_certificate_takes_the_place_of_one(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    before = pem.read_text()
    assert issue(sandbox, pem, ("example.net",)).returncode == 0
    assert pem.read_text() != before
    assert read(sandbox, pem) == ["example.net"]


def test_where_openssl_fails_the_file_stays(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    before = pem.read_text()
    sandbox.stub("openssl", 'while [ "$1" != -out ]; do shift; done\necho half > "$2"\nexit 1')
    assert issue(sandbox, pem, ("example.net",)).returncode == 1
    assert [path.read_text() for path in pem.parent.iterdir()] == [before]


def test_a_missing_file_has_no_names(sandbox: Sandbox, pem: Path) -> None:
    assert read(sandbox, pem) == []


def test_a_certificate_without_a_key_has_no_names(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    pem.write_text(openssl("x509", "-in", str(pem)))
    assert read(sandbox, pem) == []


def test_a_broken_file_has_no_names(sandbox: Sandbox, pem: Path) -> None:
    pem.write_text("no certificate\n")
    assert read(sandbox, pem) == []


@pytest.mark.parametrize(("present", "told"), [(True, None), (False, [])])
def test_without_openssl_a_file_that_is_there_is_not_judged(
    sandbox: Sandbox, pem: Path, *, present: bool, told: list[str] | None
) -> None:
    if present:
        pem.write_text("a certificate\n")
    sandbox.environment["PATH"] = str(sandbox.bin)
    (sandbox.bin / "sh").symlink_to("/bin/sh")
    assert read(sandbox, pem) == told
