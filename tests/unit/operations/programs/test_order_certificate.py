"""Orders of certificates, with a certbot and a DNS that say what a test wants."""

import subprocess
from pathlib import Path

import pytest

from operations.acme import HOOK, Order, OrderOnHost
from tests.unit.certificates import Authority
from tests.unit.operations.programs.sandboxed import Sandbox

NAMES = ("example.com", "www.example.com")
DNS = """\
for name; do :; done
[ "$name" = example.com ] && echo "192.0.2.1 STREAM" && echo "2001:db8::1 STREAM\""""
# The token, whatever is asked.
ANSWERS = "cat challenges/.well-known/acme-challenge/*"
REFUSED = """\
echo Saving debug log to /var/log/letsencrypt/letsencrypt.log
echo "Requesting a certificate for example.com"
echo
echo "Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported:"
echo "  Domain: example.com"
echo "  Type:   unauthorized"
echo "  Detail: 192.0.2.1: Invalid response: 404"
echo
echo "Some challenges have failed."
echo "Ask for help or search for solutions at https://community.letsencrypt.org."
exit 1"""


@pytest.fixture
def host(sandbox: Sandbox) -> Sandbox:
    """A host whose every name leads to itself, and whose certbot gives a certificate."""
    etc = sandbox.directory / "letsencrypt"
    sandbox.places["/etc/letsencrypt"] = etc
    sandbox.places["/var/log/letsencrypt"] = sandbox.directory
    (etc / "live/billing_prod").mkdir(parents=True)
    (etc / "renewal").mkdir()
    (sandbox.directory / "issued.pem").write_text(Authority("known").issue(*NAMES)[0])
    sandbox.stub("getent", 'echo "192.0.2.1 STREAM"; echo "192.0.2.1 DGRAM"')
    sandbox.stub("curl", ANSWERS)
    certbot(sandbox, "exit 0")
    return sandbox


def certbot(sandbox: Sandbox, then: str) -> None:
    sandbox.stub(
        "certbot",
        'echo "$*" >> asked\n'
        f"mkdir -p {sandbox.places['/etc/letsencrypt']}/live/billing_prod\n"
        f"cp issued.pem {sandbox.places['/etc/letsencrypt']}/live/billing_prod/cert.pem\n"
        f"echo 'renew_before_expiry = 1 day' > {sandbox.places['/etc/letsencrypt']}/renewal/billing_prod.conf\n{then}",
    )


def order(
    sandbox: Sandbox, *names: str, contact: str = "", profile: str = "", force: str = "0"
) -> subprocess.CompletedProcess[str]:
    url = "https://acme.example.com/dir"
    place = [str(sandbox.directory / "failed"), "billing_prod", url, contact, profile, "challenges", HOOK, force]
    return sandbox.run("order_certificate.sh", *place, *(names or NAMES))


def asked(sandbox: Sandbox) -> str:
    notes = sandbox.directory / "asked"
    return notes.read_text() if notes.exists() else ""


def test_one_certificate_for_all_names(host: Sandbox) -> None:
    done = order(host, contact="ops@example.com", profile="tlsserver")
    assert (done.returncode, done.stderr) == (0, "")
    assert asked(host) == (
        "certonly --non-interactive --agree-tos --webroot --webroot-path challenges --cert-name billing_prod --server "
        "https://acme.example.com/dir --key-type ecdsa --renew-with-new-domains --force-renewal --deploy-hook "
        f"{HOOK} --domain example.com --domain www.example.com --required-profile tlsserver --email ops@example.com\n"
    )
    assert list((host.directory / "challenges/.well-known/acme-challenge").iterdir()) == []


def test_an_account_without_an_address(host: Sandbox) -> None:
    assert order(host, "example.com").returncode == 0
    assert asked(host).endswith("--domain example.com --register-unsafely-without-email\n")


def test_a_third_of_the_lifetime_is_left_at_the_next_renewal(host: Sandbox) -> None:
    assert order(host).returncode == 0
    live = host.places["/etc/letsencrypt"] / "live/billing_prod"
    host.stub("nginx", "echo tested >> asked; exit 7")
    done = host.run("after_renewal.sh", RENEWED_LINEAGE=str(live))
    assert done.returncode == 7
    assert asked(host).endswith("tested\n")
    assert (live / "../../renewal/billing_prod.conf").read_text() == "renew_before_expiry = 2592000 seconds\n"


@pytest.mark.parametrize(
    ("dns", "answer", "said"),
    [
        ("exit 2", ANSWERS, "example.com is not known to DNS"),
        (DNS, "exit 7", "example.com leads to 2001:db8::1, and port 80 there refuses connections"),
        (DNS, "exit 28", "example.com leads to 192.0.2.1, and port 80 there does not answer within 10 seconds"),
        (DNS, "echo a page", "example.com leads to 192.0.2.1, and another server than this machine answers"),
        (
            DNS,
            f'case "$*" in *2001*) echo other;; *) {ANSWERS};; esac',
            "example.com leads to 2001:db8::1, and another",
        ),
        (DNS, ANSWERS, "www.example.com is not known to DNS"),
    ],
)
def test_a_name_that_does_not_lead_here_costs_no_order(host: Sandbox, dns: str, answer: str, said: str) -> None:
    host.stub("getent", dns)
    host.stub("curl", answer)
    done = order(host)
    assert done.returncode == 1
    assert done.stderr.startswith("No order, because it would fail: ")
    assert said in done.stderr
    assert asked(host) == ""
    assert not (host.directory / "failed").exists()
    assert order(host, force="1").returncode == 0


def test_a_name_that_only_the_file_of_hosts_knows(host: Sandbox) -> None:
    host.stub("getent", '[ "$1" != -s ] && echo "192.0.2.1 STREAM"')
    assert order(host).returncode == 0


def test_a_failed_order_is_not_repeated_within_an_hour(host: Sandbox) -> None:
    certbot(host, REFUSED)
    done = order(host)
    reason = "example.com: 192.0.2.1: Invalid response: 404"
    assert (done.returncode, done.stderr) == (
        1,
        f"The authority https://acme.example.com/dir gave no certificate: {reason}\n",
    )
    certbot(host, "exit 0")
    again = order(host)
    assert again.returncode == 1
    assert again.stderr.startswith(
        f"No order: the one before failed less than an hour ago, and authorities count failures. {reason}"
    )
    assert asked(host).count("\n") == 1
    assert order(host, force="1").returncode == 0
    assert not (host.directory / "failed").exists()


@pytest.mark.parametrize("line", ["{ago} {boot}", "{now} another-boot", ""], ids=["hour", "reboot", "cut off"])
def test_an_hour_or_a_reboot_later_it_is_repeated(host: Sandbox, line: str) -> None:
    now = int(float(Path("/proc/uptime").read_text().split()[0]))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    note = host.directory / "failed"
    note.write_text("refused\n" + line.format(ago=now - 3601, now=now, boot=boot))
    assert order(host).returncode == 0
    assert not note.exists()


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("echo An unexpected error occurred:; echo too many certificates; echo Ask for help", "too many certificates"),
        ("echo Saving debug log to x; echo; echo Broken", "Broken"),
        (":", "certbot says nothing"),
    ],
)
def test_the_reason_in_certbots_words(host: Sandbox, said: str, reason: str) -> None:
    certbot(host, f"{said}; exit 1")
    assert order(host).stderr.endswith(f" gave no certificate: {reason}\n")


def test_another_certbot_is_waited_for(host: Sandbox) -> None:
    host.stub("sleep", "echo slept >> asked")
    certbot(host, "grep -q slept asked || { echo Another instance of Certbot is already running.; exit 1; }")
    assert order(host).returncode == 0
    assert "slept" in asked(host)


def test_an_account_that_the_authority_forgot(host: Sandbox) -> None:
    account = host.places["/etc/letsencrypt"] / "accounts/acme.example.com/dir/1"
    account.mkdir(parents=True)
    other = host.places["/etc/letsencrypt"] / "accounts/acme.example.com/other"
    other.mkdir()
    certbot(host, f"[ ! -e {account} ] || {{ echo urn:ietf:params:acme:error:accountDoesNotExist :: no; exit 1; }}")
    assert order(host).returncode == 0
    assert other.exists()
    certbot(host, "echo urn:ietf:params:acme:error:accountDoesNotExist :: no; exit 1")
    assert order(host).returncode == 1


def test_a_refusal_that_certbot_fails_over_is_in_its_log(host: Sandbox) -> None:
    # Of the run before.
    (host.directory / "letsencrypt.log").write_text("acme.messages.Error: urn:ietf:params:acme:error:badNonce :: no\n")
    refusal = "acme.messages.Error: urn:ietf:params:acme:error:rateLimited :: no"
    certbot(host, f"echo '{refusal}' >> letsencrypt.log; echo 'AttributeError: no attribute'; exit 1")
    assert order(host).stderr.endswith(" gave no certificate: urn:ietf:params:acme:error:rateLimited :: no\n")
    assert asked(host).count("certonly") == 1


def test_nonces_that_the_authority_does_not_take(host: Sandbox) -> None:
    host.stub("sleep", "echo slept >> asked")
    certbot(host, "grep -q slept asked || { echo urn:ietf:params:acme:error:badNonce :: no; exit 1; }")
    assert order(host).returncode == 0
    certbot(host, "echo urn:ietf:params:acme:error:badNonce :: no; exit 1")
    assert order(host).returncode == 1
    assert asked(host).count("certonly") == 2 + 6


def test_a_challenge_that_failed_is_not_tried_again(host: Sandbox) -> None:
    log = "2026-11-28 15:20:01,1:INFO:certbot:Challenge failed for domain a.example.com\n  Domain: a\n  Detail: no"
    certbot(host, f"echo '{log}' >> letsencrypt.log; echo urn:ietf:params:acme:error:badNonce :: no; exit 1")
    assert order(host).stderr.endswith(" gave no certificate: a: no\n")
    assert asked(host).count("certonly") == 1


def test_what_an_order_left_that_was_cut_off_goes(host: Sandbox) -> None:
    left = host.places["/etc/letsencrypt"] / "live/billing_prod/README"
    left.touch()
    assert order(host).returncode == 0
    assert not left.exists()


def state(host: Sandbox, conf: str = "") -> Order:
    path = host.directory / "renewal.conf"
    path.write_text(conf)
    done = host.run("order_state.sh", str(path), str(host.directory / "failed"), "billing_prod")
    return OrderOnHost().process(done.stdout.splitlines())


CONF = f"""\
# renew_before_expiry = 30 days
[renewalparams]
account = 1
server = https://acme.example.com/dir
renew_hook = {HOOK}
"""


@pytest.mark.parametrize(("profile", "read"), [("", ""), ("required_profile = tlsserver\n", "tlsserver")])
def test_the_state_of_a_certificate(sandbox: Sandbox, profile: str, read: str) -> None:
    sandbox.stub("systemctl", "echo success")
    assert state(sandbox, CONF + profile) == Order("https://acme.example.com/dir", read, HOOK)


def test_a_failed_order_and_a_failed_renewal(sandbox: Sandbox) -> None:
    (sandbox.directory / "failed").write_text("no record\nmore\n")
    subprocess.run(["touch", "-d", "2026-11-28T14:00Z", sandbox.directory / "failed"], check=True)
    sandbox.stub("systemctl", 'case "$*" in *InvocationID*) echo 7;; *) echo exit-code;; esac')
    line = "Failed to renew certificate {} with error: {}"
    sandbox.stub("journalctl", f"echo '{line.format('other', 'x')}'; echo '{line.format('billing_prod', 'no route')}'")
    assert state(sandbox) == Order(failed="2026-11-28 14:00 UTC: no record", renewal="no route")


def test_the_renewal_of_another_certificate_failed(sandbox: Sandbox) -> None:
    sandbox.stub("systemctl", "echo exit-code")
    sandbox.stub("journalctl", "echo 'Failed to renew certificate other with error: x'")
    assert state(sandbox) == Order()


@pytest.mark.parametrize(("site", "removed"), [("ssl_certificate /live/a/fullchain.pem;", False), ("", True)])
def test_a_certificate_goes_when_no_site_names_it(
    sandbox: Sandbox, tmp_path: Path, site: str, *, removed: bool
) -> None:
    nginx = tmp_path / "nginx"
    sandbox.places["/etc/nginx"] = nginx
    (nginx / "sites-enabled").mkdir(parents=True)
    (nginx / "conf.d").mkdir()
    (nginx / "nginx.conf").touch()
    (nginx / "sites-enabled/a").write_text("ssl_certificate /live/a/fullchain.pem;")
    (nginx / "sites-enabled/b").write_text(site)
    conf = tmp_path / "a.conf"
    conf.write_text(CONF)
    done = sandbox.run("unused_lineage.sh", str(conf), "/live/a", "a", HOOK)
    assert done.stdout == ("unused\n" if removed else "")
    conf.write_text("renew_hook = theirs")
    assert sandbox.run("unused_lineage.sh", str(conf), "/live/a", "a", HOOK).stdout == ""
