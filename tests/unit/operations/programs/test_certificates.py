"""Certificates, by the real openssl."""

import subprocess
from pathlib import Path

import pytest

from operations.certificate import CertificateOnHost, Pair, faults
from operations.site import RENEW_SECONDS, SUBJECT, VALID_DAYS, SelfSignedNames
from tests.unit.certificates import NOW, Authority
from tests.unit.operations.programs.sandboxed import Sandbox

NAMES = ("example.com", "www.example.com")


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


@pytest.mark.parametrize(("days", "names"), [(122, sorted(NAMES)), (121, [])])
def test_one_that_expires_soon_has_no_names(sandbox: Sandbox, pem: Path, days: int, names: list[str]) -> None:
    issue(sandbox, pem, days=days)
    assert read(sandbox, pem) == names


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


def look(sandbox: Sandbox, path: Path, key: Path) -> Pair:
    done = sandbox.run("certificate.sh", str(path), str(key))
    assert done.stderr == ""
    assert "PRIVATE" not in done.stdout
    return CertificateOnHost().process(done.stdout.splitlines())


def words(pair: Pair, *names: str) -> list[str]:
    return [fault.word for fault in faults(pair, names, NOW)]


def test_a_pair_in_one_file_or_in_two(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    pair = look(sandbox, pem, pem)
    assert (pair.compared, pair.chain.count("BEGIN"), words(pair, *NAMES)) == (True, 1, [])
    key, certificate = pem.with_suffix(".key"), pem.with_suffix(".crt")
    key.write_text(openssl("pkey", "-in", str(pem)))
    certificate.write_text(openssl("x509", "-in", str(pem)))
    assert look(sandbox, certificate, key) == pair
    issue(sandbox, pem)
    assert words(look(sandbox, certificate, pem), *NAMES) == ["of another key"]


def test_a_key_that_wants_a_passphrase(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    key = pem.with_suffix(".key")
    key.write_text(openssl("pkey", "-in", str(pem), "-aes256", "-passout", "pass:word"))
    assert words(look(sandbox, pem, key), *NAMES) == ["with an unreadable key"]


def test_a_private_key_behind_a_certificate_that_was_cut_off(sandbox: Sandbox, pem: Path) -> None:
    issue(sandbox, pem)
    lines = openssl("x509", "-in", str(pem)).splitlines()[:-1]
    pem.write_text("\n".join([*lines, openssl("pkey", "-in", str(pem))]))
    assert words(look(sandbox, pem, pem), *NAMES) == ["unreadable"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_chain_with_words_around_it(sandbox: Sandbox, pem: Path, ending: str) -> None:
    root = Authority("root")
    text = f"subject=site\n{root.issue('example.com')[0]}\nissuer=root\n{root.pem}"
    pem.write_bytes(text.replace("\n", ending).encode())
    assert words(look(sandbox, pem, pem), "example.com") == ["with an unreadable key"]


def test_an_authority_that_the_host_knows(sandbox: Sandbox, pem: Path) -> None:
    root = Authority("root")
    pem.write_text(root.issue("example.com")[0])
    known = pem.with_name("known.pem")
    known.write_text(root.pem)
    assert not look(sandbox, pem, pem).trusted
    sandbox.environment["SSL_CERT_FILE"] = str(known)
    assert look(sandbox, pem, pem).trusted


def test_a_certificate_of_which_nothing_can_be_read(sandbox: Sandbox, pem: Path) -> None:
    assert look(sandbox, Path("/dev/null"), Path("/dev/null")) == Pair("", compared=True)
    sandbox.environment["PATH"] = str(sandbox.bin)
    for name in ("sh", "awk", "head"):
        (sandbox.bin / name).symlink_to(f"/usr/bin/{name}")
    pem.write_text(Authority("root").pem)
    pair = look(sandbox, pem, pem)
    assert (pair.compared, words(pair, "example.com")) == (False, ["of other names"])
