"""Renewals before certbot's own, with a certbot and an nginx that do what a test wants."""

import subprocess
from pathlib import Path

import pytest

from operations.acme import HOOK
from tests.unit.operations.programs.sandboxed import Sandbox

CONF = f"[renewalparams]\nrenew_hook = {HOOK}\n"


@pytest.fixture
def host(sandbox: Sandbox) -> Sandbox:
    """A host with a certificate that was ordered here, and one of somebody else. nginx serves ours."""
    etc = sandbox.directory / "letsencrypt"
    sandbox.places |= {
        "/etc/letsencrypt": etc,
        "/var/log/letsencrypt": sandbox.directory,
        "/etc/nginx": sandbox.directory / "nginx",
        "/usr/bin/certbot": sandbox.bin / "certbot",
        HOOK: sandbox.bin / "hook",
    }
    (etc / "renewal").mkdir(parents=True)
    (etc / "live/billing_prod").mkdir(parents=True)
    (etc / "renewal/billing_prod.conf").write_text(CONF.replace(HOOK, str(sandbox.bin / "hook")))
    (etc / "renewal/other.conf").write_text("[renewalparams]\nrenew_hook = theirs\n")
    (sandbox.directory / "nginx").mkdir()
    (sandbox.directory / "nginx/site").write_text(f"ssl_certificate {etc}/live/billing_prod/fullchain.pem;")
    sandbox.stub("unshare", 'shift; exec "$@"')
    sandbox.stub("certbot", 'echo "certbot $*" >> asked')
    sandbox.stub("hook", "echo hook >> asked")
    sandbox.stub("systemctl")
    sandbox.stub("sleep")
    openssl(sandbox, served="A")
    return sandbox


def openssl(sandbox: Sandbox, served: str) -> None:
    """A stand-in that finds certificate A in files."""
    sandbox.stub(
        "openssl",
        'case "$*" in *subjectAltName*) echo "    DNS:*.example.com, DNS:b.example.com";; '
        f's_client*) echo "$*" >> asked; echo {served};; *-in*) echo A;; *) cat;; esac',
    )


def run(sandbox: Sandbox) -> subprocess.CompletedProcess[str]:
    return sandbox.run("renew_certificates.sh")


def asked(sandbox: Sandbox) -> str:
    return (sandbox.directory / "asked").read_text()


def test_ours_alone(host: Sandbox) -> None:
    done = run(host)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert asked(host) == (
        "certbot renew --quiet --no-random-sleep-on-renew --max-log-backups 0 --cert-name billing_prod\n"
        "s_client -connect 127.0.0.1:443 -servername any.example.com\n"
    )


def test_without_any(host: Sandbox) -> None:
    for path in (host.places["/etc/letsencrypt"] / "renewal").iterdir():
        path.unlink()
    assert run(host).returncode == 0


@pytest.mark.parametrize(("said", "times"), [("urn:ietf:params:acme:error:badNonce :: no", 6), ("no route", 1)])
def test_nonces_that_the_authority_does_not_take(host: Sandbox, said: str, times: int) -> None:
    host.stub("certbot", f"echo certbot >> asked; echo '{said}'; exit 1")
    done = run(host)
    assert (done.returncode, done.stderr) == (1, f"{said}\n")
    assert asked(host).count("certbot") == times


@pytest.mark.parametrize(
    ("served", "site", "hooked"), [("A", True, False), ("B", True, True), ("", True, True), ("B", False, False)]
)
def test_nginx_reads_what_it_could_not_read(host: Sandbox, served: str, site: bool, hooked: bool) -> None:
    openssl(host, served)
    path: Path = host.places["/etc/nginx"] / "site"
    if not site:
        path.unlink()
    assert run(host).returncode == 0
    assert asked(host).endswith("hook\n") == hooked
    host.stub("systemctl", "exit 3")
    (host.directory / "asked").unlink()
    run(host)
    assert "hook" not in asked(host)
