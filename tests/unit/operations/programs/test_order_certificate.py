"""Orders of certificates, with a certbot and a DNS that say what a test wants."""

import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from operations.acme import HOOK, Order, OrderOnHost
from tests.unit.certificates import NOW, Authority
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
    # Debian's, whatever else is in a path.
    for name in ("certbot", "python3"):
        sandbox.places[f"/usr/bin/{name}"] = sandbox.bin / name
    # $3: file about renewals, $4: directory with the links
    sandbox.stub("python3", '[ -e "$4/fullchain.pem" ] && grep -q "^fullchain" "$3"')
    sandbox.stub("ip")
    # $1: --mount, and then the shell
    sandbox.stub("unshare", 'shift; exec "$@"')
    sandbox.stub("mount", 'echo "$*" >> mounts')
    sandbox.stub("systemctl")
    sandbox.places["/usr/lib/python3"] = sandbox.directory / "python3"
    renewal = sandbox.directory / "python3/dist-packages/certbot/_internal/renewal.py"
    renewal.parent.mkdir(parents=True)
    renewal.write_text('STR_CONFIG_ITEMS = ["preferred_profile", "required_profile"]')
    (etc / "live/billing_prod").mkdir(parents=True)
    (etc / "renewal").mkdir()
    (sandbox.directory / "issued.pem").write_text(Authority("known").issue(*NAMES)[0])
    sandbox.stub("getent", 'echo "192.0.2.1 STREAM"; echo "192.0.2.1 DGRAM"')
    sandbox.stub("setpriv", 'echo "$*" >> dropped; shift 5; exec "$@"')
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
    sandbox: Sandbox, *names: str, contact: str = "", profile: str = "", force: str = "0", credentials: str = ""
) -> subprocess.CompletedProcess[str]:
    url = "https://acme.example.com/dir"
    place = [str(sandbox.directory / "failed"), "billing_prod", url, contact, profile, "challenges", HOOK, force]
    return sandbox.run("order_certificate.sh", *place, credentials, "1", *(names or NAMES))


def test_the_token_is_not_fetched_as_root(host: Sandbox) -> None:
    """Whoever answers may redirect to a port of this machine that only root and nginx reach."""
    assert order(host).returncode == 0
    asked = (host.directory / "dropped").read_text().splitlines()
    assert len(asked) == len(NAMES)
    assert all(line.startswith("--reuid nobody --regid nogroup --clear-groups curl ") for line in asked)


def asked(sandbox: Sandbox) -> str:
    notes = sandbox.directory / "asked"
    return notes.read_text() if notes.exists() else ""


def test_one_certificate_for_all_names(host: Sandbox) -> None:
    done = order(host, contact="ops@example.com", profile="tlsserver")
    assert (done.returncode, done.stderr) == (0, "")
    assert asked(host) == (
        "certonly --non-interactive --agree-tos --cert-name billing_prod --server https://acme.example.com/dir --key-type "
        f"ecdsa --renew-with-new-domains --force-renewal --max-log-backups 0 "
        f"--deploy-hook {HOOK} --webroot --webroot-path challenges --domain "
        "example.com --domain www.example.com --required-profile tlsserver --email ops@example.com\n"
    )
    assert list((host.directory / "challenges/.well-known/acme-challenge").iterdir()) == []


def test_an_account_without_an_address(host: Sandbox) -> None:
    assert order(host, "example.com").returncode == 0
    assert asked(host).endswith("--domain example.com --register-unsafely-without-email\n")


@pytest.mark.parametrize(("days", "seconds"), [(90, 30 * 86400), (10, 288_000), (6, 3 * 86400)])
def test_a_share_of_the_lifetime_is_left_at_the_next_renewal(host: Sandbox, days: int, seconds: int) -> None:
    """Debian's timer may let a day pass between two tries, and with less than 0.3 of its lifetime a certificate is late."""
    begins = NOW - timedelta(days=1)
    issued = Authority("known").issue(*NAMES, begins=begins, ends=begins + timedelta(days=days))[0]
    (host.directory / "issued.pem").write_text(issued)
    assert order(host).returncode == 0
    live = host.places["/etc/letsencrypt"] / "live/billing_prod"
    host.stub("nginx", "echo tested >> asked; exit 7")
    done = host.run("after_renewal.sh", RENEWED_LINEAGE=str(live))
    assert done.returncode == 7
    assert asked(host).endswith("tested\n")
    assert (live / "../../renewal/billing_prod.conf").read_text() == f"renew_before_expiry = {seconds} seconds\n"


@pytest.mark.parametrize(
    ("dns", "answer", "said"),
    [
        ("exit 2", ANSWERS, "example.com is not known to DNS"),
        (DNS, "exit 7", "example.com leads to 2001:db8::1, and port 80 there refuses connections"),
        (DNS, "exit 28", "example.com leads to 192.0.2.1, and port 80 there does not answer within 10 seconds"),
        (
            DNS,
            f'case "$*" in *:127.0.0.1*) {ANSWERS};; *) echo a page;; esac',
            "example.com leads to 192.0.2.1, and another server than this machine answers",
        ),
        (
            DNS,
            f'case "$*" in *2001*) echo other;; *) {ANSWERS};; esac',
            "example.com leads to 2001:db8::1, and another",
        ),
        (DNS, ANSWERS, "www.example.com is not known to DNS"),
        (
            DNS,
            "echo a page",
            "nginx of this machine itself does not answer",
        ),
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
    assert not list(host.directory.glob("failed*"))
    assert order(host, force="1").returncode == 0


def test_an_address_of_ipv6_that_this_machine_cannot_reach(host: Sandbox) -> None:
    host.stub("getent", '[ "$1" = --no-addrconfig ] || exit 2\nname=example.com\n' + DNS.split("\n", 1)[1])
    host.stub("ip", 'case "$*" in *2001:db8::1) exit 2;; esac')
    assert "example.com leads to 2001:db8::1, and this machine has no route there" in order(host, "example.com").stderr
    assert asked(host) == ""


def test_an_address_of_ipv4_that_a_machine_with_ipv6_alone_cannot_reach(host: Sandbox) -> None:
    host.stub("getent", DNS)
    host.stub("ip", 'case "$*" in *192.0.2.1) exit 2;; esac')
    host.stub("curl", f'case "$*" in *:192.0.2.1*) exit 7;; *) {ANSWERS};; esac')
    assert order(host, "example.com").returncode == 0
    host.stub("getent", 'echo "192.0.2.1 STREAM"')
    assert "example.com leads to 192.0.2.1, and this machine has no route there" in order(host, "example.com").stderr


def test_a_name_that_only_the_file_of_hosts_knows(host: Sandbox) -> None:
    host.stub("getent", '[ "$2" != -s ] && echo "192.0.2.1 STREAM"')
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
        ("echo usage: certbot; echo certbot: error: unrecognized arguments: --x", "unrecognized arguments: --x"),
        (
            "echo An unexpected error occurred:; echo Error finalizing order :: CAA record forbids; echo Ask for help",
            "Error finalizing order :: CAA record forbids",
        ),
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


def test_what_another_certbot_is_writing_is_not_taken_for_broken(host: Sandbox) -> None:
    etc = lineage(host, "")
    lock = etc / ".certbot.lock"
    lock.touch()
    # certbot is between two links.
    host.stub(
        "python3",
        f'case "$*" in *lockf*) [ -e settled ];; *) [ -e settled ] || echo looked >> early; [ -e {lock} ];; esac',
    )
    host.stub("sleep", "touch settled")
    done = order(host)
    assert (done.returncode, done.stdout) == (0, "Waiting until another certbot is done\n")
    assert not (host.directory / "early").exists()
    assert (etc / "archive/billing_prod/privkey1.pem").exists()


@pytest.mark.parametrize("lock", [True, False])
def test_a_certbot_that_does_not_end_is_no_failed_order(host: Sandbox, *, lock: bool) -> None:
    """The authority was not asked, so nothing forbids to ask it again within the hour."""
    if lock:
        (host.places["/etc/letsencrypt"] / ".certbot.lock").touch()
        host.stub("python3", "exit 1")
    # It holds the lock of another directory.
    certbot(host, "echo Another instance of Certbot is already running.; exit 1")
    uptime = host.directory / "uptime"
    uptime.write_text("100.0 1\n")
    host.places["/proc/uptime"] = uptime
    host.stub("sleep", f"echo 2000.0 1 > {uptime}")
    done = order(host)
    assert (done.returncode, "Another certbot has been running for ten minutes" in done.stderr) == (1, True)
    assert not list(host.directory.glob("failed*"))


@pytest.mark.parametrize(
    "refusal",
    [
        "urn:ietf:params:acme:error:accountDoesNotExist :: no",
        "urn:ietf:params:acme:error:unauthorized :: Account has been deactivated",
        'Account is not valid, has status "deactivated"',
    ],
)
def test_an_account_that_the_authority_does_not_take(host: Sandbox, refusal: str) -> None:
    """Another account takes its place. It and those of other certificates are kept."""
    accounts = host.places["/etc/letsencrypt"] / "accounts/acme.example.com/dir"
    for name in ("1", "2"):
        (accounts / name).mkdir(parents=True)
        (accounts / name / "regr.json").touch()
    os.utime(accounts / "1/regr.json", (1, 1))
    certbot(host, f"[ ! -e {accounts}/2 ] || {{ echo '{refusal}'; exit 1; }}")
    assert order(host).returncode == 0
    assert [path.name for path in accounts.iterdir()] == ["1"]
    kept = host.places["/etc/letsencrypt"] / "accounts.before"
    assert kept.stat().st_mode & 0o777 == 0o700
    assert len(list(kept.glob("2-*/regr.json"))) == 1
    certbot(host, f"echo '{refusal}'; exit 1")
    assert order(host).returncode == 1
    assert asked(host).count("certonly") == 2 + 2


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


def lineage(host: Sandbox, conf: str) -> Path:
    """A certificate of certbot as it is used now."""
    etc = host.places["/etc/letsencrypt"]
    (etc / "archive/billing_prod").mkdir(parents=True)
    for part in ("fullchain", "privkey"):
        (etc / f"archive/billing_prod/{part}1.pem").write_text(part)
        (etc / f"live/billing_prod/{part}.pem").symlink_to(f"../../archive/billing_prod/{part}1.pem")
    (etc / "renewal/billing_prod.conf").write_text(conf)
    return etc


def test_a_file_about_renewals_that_nobody_can_read(host: Sandbox) -> None:
    etc = lineage(host, "[[[")
    host.stub("certbot", f"cp {etc}/renewal/billing_prod.conf described; echo no; exit 1")
    assert order(host).returncode == 1
    described = (host.directory / "described").read_text()
    assert f"fullchain = {etc}/live/billing_prod/fullchain.pem\n" in described
    assert described.endswith("[renewalparams]\n")
    assert (etc / "live/billing_prod/fullchain.pem").read_text() == "fullchain"
    assert [path.read_text() for path in (etc / "renewal").glob("*.before-*")] == ["[[["]


@pytest.mark.parametrize("came", [True, False])
def test_a_certificate_that_certbot_cannot_go_on_with(host: Sandbox, *, came: bool) -> None:
    etc = lineage(host, "")
    host.stub("python3", "exit 1")
    certbot(host, "exit 0") if came else host.stub("certbot", f"ls {etc}/live > left; exit 1")
    assert order(host).returncode == (0 if came else 1)
    keys = [path.read_text() for path in (etc / "archive").glob("billing_prod*/privkey1.pem")]
    assert keys == ["privkey"]
    if came:
        assert (etc / "live/billing_prod/cert.pem").exists()
    else:
        # nginx still has what it names.
        assert "billing_prod\n" not in (host.directory / "left").read_text()
        assert (etc / "live/billing_prod/fullchain.pem").read_text() == "fullchain"


@pytest.mark.parametrize("sign", ["TERM", "KILL"])
def test_an_order_that_is_cut_off_leaves_nginx_its_certificate(host: Sandbox, sign: str) -> None:
    etc = lineage(host, "")
    host.stub("python3", "exit 1")
    # The program, and the part of it that waits for certbot.
    parents = "$PPID $(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)"
    ours = f"grep -qz '^order_certificate.sh$' /proc/$process/cmdline && kill -{sign} $process"
    host.stub("certbot", f"for process in {parents}; do {ours}; done; sleep 0.2; exit 1")
    assert order(host).returncode != 0
    if sign == "KILL":
        assert not (etc / "live/billing_prod").exists()
        for path in etc.glob("*/billing_prod.before-*"):
            path.rename(path.with_name("billing_prod.before-20200101000000"))
        host.stub("certbot", "exit 1")
        assert order(host).returncode == 1
    assert (etc / "live/billing_prod/fullchain.pem").read_text() == "fullchain"


def test_defaults_of_somebody_else_are_hidden_from_certbot(host: Sandbox) -> None:
    path = host.places["/etc/letsencrypt"] / "cli.ini"
    assert order(host).returncode == 0
    assert not (host.directory / "mounts").exists()
    path.write_text("authenticator = nginx\n")
    certbot(host, 'echo "home $XDG_CONFIG_HOME" >> asked')
    assert order(host).returncode == 0
    assert (host.directory / "mounts").read_text() == f"--bind /dev/null {path}\n"
    assert asked(host).endswith("home /nonexistent\n")


def test_defaults_that_cannot_be_hidden(host: Sandbox) -> None:
    (host.places["/etc/letsencrypt"] / "cli.ini").touch()
    host.stub("mount", "echo mount: permission denied >&2; exit 1")
    assert "gave no certificate: mount: permission denied" in order(host).stderr
    assert asked(host) == ""


def test_snaps_certbot_in_the_place_of_debians(host: Sandbox) -> None:
    (host.bin / "certbot").unlink()
    (host.bin / "certbot").symlink_to("/bin/true")
    assert f"No order: {host.bin}/certbot is a link to /bin/true" in order(host).stderr


def test_a_certbot_that_forgets_the_profile(host: Sandbox) -> None:
    (host.directory / "python3/dist-packages/certbot/_internal/renewal.py").write_text("")
    assert "No order: this host's certbot forgets the profile tlsserver" in order(host, profile="tlsserver").stderr
    assert asked(host) == ""
    assert order(host).returncode == 0


def test_no_room_for_the_note(host: Sandbox) -> None:
    (host.directory / "failed.new").symlink_to("/dev/full")
    done = order(host)
    assert done.returncode == 1
    assert "failed.new could not be written, for the reason above: make room there" in done.stderr
    assert asked(host) == ""


def test_no_room_for_the_certificate(host: Sandbox) -> None:
    (host.places["/etc/letsencrypt"] / ".room").symlink_to("/dev/full")
    done = order(host)
    assert done.returncode == 1
    assert ".room could not be written, for the reason above: make room there" in done.stderr
    assert asked(host) == ""
    assert not (host.directory / "failed.new").exists()


@pytest.mark.parametrize("missing", ["fullchain", "privkey", "nothing"])
@pytest.mark.parametrize("before", [True, False])
def test_a_version_that_was_not_written_to_its_end(host: Sandbox, missing: str, *, before: bool) -> None:
    """By a full disk, in this order or before it. certbot would take it for the newest at its next run."""
    etc = lineage(host, "fullchain = x\n")
    archive = etc / "archive/billing_prod"
    (archive / "cert9.pem").touch()
    (etc / "live/billing_prod/cert.pem").symlink_to("../../archive/billing_prod/cert9.pem")
    script = f"""a={archive}
curve="-newkey ec -pkeyopt ec_paramgen_curve:P-256"
openssl req -x509 $curve -noenc -keyout $a/privkey10.pem -out $a/cert10.pem -subj /CN=a 2> x
cp $a/cert10.pem $a/chain10.pem
cat $a/cert10.pem $a/chain10.pem > $a/fullchain10.pem
"""
    if missing != "nothing":
        script += f": > $a/{missing}10.pem\n"
    if before:
        subprocess.run(["sh", "-c", script], check=True)
    host.stub("certbot", ("" if before else script) + f"ls {archive} > left\necho no space; exit 1")
    assert order(host).returncode == 1
    if before:
        assert ("cert10.pem" in (host.directory / "left").read_text()) == (missing == "nothing")
    assert len(list(archive.glob("*10.pem"))) == (4 if missing == "nothing" else 0)
    assert len(list(archive.glob("*1.pem"))) == 2


@pytest.mark.parametrize(("mine", "taken"), [("1", "1"), ("gone", "2")])
def test_of_several_accounts_one_is_taken(host: Sandbox, mine: str, taken: str) -> None:
    etc = lineage(host, f"account = {mine}\nfullchain = x\n")
    for number, name in enumerate(("2", "1")):
        account = etc / f"accounts/acme.example.com/dir/{name}"
        account.mkdir(parents=True)
        (account / "regr.json").touch()
        os.utime(account / "regr.json", (2 - number, 2 - number))
    assert order(host).returncode == 0
    assert asked(host).endswith(f" --account {taken}\n")


KEY = """\
dns_rfc2136_server = 192.0.2.53
dns_rfc2136_port = 53
dns_rfc2136_name = billing
dns_rfc2136_secret = c2VjcmV0
dns_rfc2136_algorithm = HMAC-SHA256
"""
# $*: as dig gets it. The record is what nsupdate wrote.
DIG = """\
echo "dig $*" >> questions
case "$*" in
    *" SOA") echo "example.com. 60 IN SOA ns.example.com. x. 1 1 1 1 1" ;;
    *"example.com. NS") echo ns.example.com. ;;
    *"ns.example.com. A") echo 192.0.2.53 ;;
    *TXT) sed -n 's/^update add .* TXT /"/p' updates | tail -n 1 ;;
esac"""


@pytest.fixture
def by_dns(host: Sandbox) -> Sandbox:
    """A host with a key for DNS, whose name server takes records."""
    (host.directory / "key").write_text(KEY)
    host.stub("nsupdate", 'echo "nsupdate $*" >> questions\ncat >> updates')
    host.stub("dig", DIG)
    host.stub("sleep", "exit 0")
    return host


def test_by_dns(by_dns: Sandbox) -> None:
    done = order(by_dns, "example.com", "*.example.com", credentials="key")
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        f"--deploy-hook {HOOK} --dns-rfc2136 --dns-rfc2136-credentials key --dns-rfc2136-propagation-seconds 1 --domain "
        "example.com --domain *.example.com " in asked(by_dns)
    )
    updates = (by_dns.directory / "updates").read_text()
    # Both names have the same record. It is taken back.
    assert updates.count("update add _acme-challenge.example.com. 60 TXT ") == 1
    assert updates.count("update delete _acme-challenge.example.com. TXT ") == 1
    assert "key hmac-sha256:billing c2VjcmV0\n" in updates
    assert "c2VjcmV0" not in (by_dns.directory / "questions").read_text() + asked(by_dns)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "; TSIG error with server: tsig indicates error; update failed: NOTAUTH(BADKEY)",
            "does not know the key billing",
        ),
        ("; TSIG error with server: tsig indicates error; update failed: NOTAUTH(BADSIG)", "acme_dns_secret is wrong"),
        ("update failed: NOTAUTH(BADTIME)", "one of the two clocks is wrong"),
        ("update failed: NOTAUTH", "has no zone for it that it takes updates of"),
        ("update failed: REFUSED", "does not let the key billing write it"),
        ("; Communication with 192.0.2.53#53 failed: connection refused", "port 53 does not answer by TCP"),
        ("odd", "port 53 says: odd"),
    ],
)
def test_a_record_that_cannot_be_written_costs_no_order(by_dns: Sandbox, said: str, reason: str) -> None:
    by_dns.stub("nsupdate", f"cat > /dev/null; echo '{said}'; exit 2")
    done = order(by_dns, "*.example.com", credentials="key")
    assert done.returncode == 1
    assert "No order, because it would fail: the record _acme-challenge.example.com cannot be written: " in done.stderr
    assert reason in done.stderr
    assert "c2VjcmV0" not in done.stderr
    assert asked(by_dns) == ""


def test_a_name_server_that_never_gets_the_record(by_dns: Sandbox) -> None:
    by_dns.stub(
        "dig",
        DIG.replace("*TXT) ", '*"@192.0.2.54 "*) ;; *TXT) ').replace(
            "echo 192.0.2.53", "echo 192.0.2.53; echo 192.0.2.54"
        ),
    )
    done = order(by_dns, "example.com", credentials="key")
    assert "1 seconds later the name server ns.example.com (192.0.2.54) of its zone does not have it" in done.stderr
    assert "192.0.2.53" not in done.stderr
    assert "update delete" in (by_dns.directory / "updates").read_text()
    assert asked(by_dns) == ""


@pytest.mark.parametrize(("routes", "ordered"), [("*2001:*) exit 2", True), ("*) exit 2", False)])
def test_a_name_server_without_a_route_from_here(by_dns: Sandbox, routes: str, ordered: bool) -> None:
    """A machine with IPv4 alone cannot ask by IPv6; the world can."""
    by_dns.stub(
        "dig",
        DIG.replace("*TXT) ", '*"@2001:db8::53 "*) ;; *"@"*TXT) ').replace(
            "echo 192.0.2.53", "echo 192.0.2.53; echo 2001:db8::53"
        ),
    )
    by_dns.stub("ip", f'case "$*" in {routes};; esac')
    done = order(by_dns, "example.com", credentials="key")
    assert (done.returncode == 0, asked(by_dns) != "") == (ordered, ordered)
    assert ("no name server of its zone has an address that this machine has a route to" in done.stderr) != ordered


@pytest.mark.parametrize("found", [True, False])
def test_a_firewall_that_lets_no_question_out_but_those_to_the_resolver(by_dns: Sandbox, *, found: bool) -> None:
    ask = DIG if found else DIG.replace("*TXT) ", "*TXT) ;; *nothing) ")
    by_dns.stub("dig", ask.replace("*TXT) ", '*"@"*TXT) exit 9 ;; *TXT) ', 1))
    done = order(by_dns, "example.com", credentials="key")
    assert (done.returncode == 0, asked(by_dns) != "") == (found, found)
    why = "this machine's resolver does not find it, and the name servers of its zone do not answer this machine itself"
    assert (why in done.stderr) != found
    # A resolver keeps an answer, also that there is none: it is asked once, when the record has had its time.
    questions = (by_dns.directory / "questions").read_text().splitlines()
    assert len([line for line in questions if "TXT" in line and "@" not in line]) == 1


def test_one_name_server_of_two_that_does_not_answer(by_dns: Sandbox) -> None:
    two = DIG.replace("echo 192.0.2.53", "echo 192.0.2.53; echo 192.0.2.54")
    by_dns.stub("dig", two.replace("*TXT) ", '*"@192.0.2.54 "*) exit 9 ;; *TXT) ', 1))
    assert (
        "the name server ns.example.com (192.0.2.54) of its zone does not answer"
        in order(by_dns, "example.com", credentials="key").stderr
    )
    assert asked(by_dns) == ""


def test_a_resolver_that_does_not_say_which_zone_a_name_is_in(by_dns: Sandbox) -> None:
    by_dns.stub("dig", DIG.replace('*" SOA") ', '*" example.com SOA") '))
    assert order(by_dns, "www.example.com", credentials="key").returncode == 0
    assert "@192.0.2.53 _acme-challenge.www.example.com TXT" in (by_dns.directory / "questions").read_text()


def test_a_zone_that_dns_does_not_know(by_dns: Sandbox) -> None:
    by_dns.stub("dig")
    done = order(by_dns, "example.com", credentials="key")
    assert "this machine's resolver does not find it, and knows no name server of its zone" in done.stderr
    by_dns.stub("dig", DIG.replace('*" SOA") ', "*nothing) "))
    assert order(by_dns, "example.com", credentials="key").returncode == 0


def state(host: Sandbox, conf: str = "") -> Order:
    path = host.directory / "renewal.conf"
    path.write_text(conf)
    host.places.setdefault("/etc/letsencrypt", host.directory / "letsencrypt")
    done = host.run("order_state.sh", str(path), str(host.directory / "failed"), "billing_prod")
    found = OrderOnHost().process(done.stdout.splitlines())
    assert abs(int(found.clock) - time.time()) < 60
    return found._replace(clock="")


CONF = f"""\
# renew_before_expiry = 30 days
[renewalparams]
server = https://acme.example.com/dir
renew_hook = {HOOK}
autorenew = False
"""


@pytest.mark.parametrize(("profile", "read"), [("", ""), ("required_profile = tlsserver\n", "tlsserver")])
def test_the_state_of_a_certificate(sandbox: Sandbox, profile: str, read: str) -> None:
    sandbox.stub("systemctl", "echo success")
    known = Order("https://acme.example.com/dir", read, HOOK, autorenew="False")
    assert state(sandbox, CONF + profile) == known
    port_80 = "authenticator = webroot\nwebroot_path = /var/www/acme,\n[[webroot_map]]\na.example.com = /var/www/acme\n"
    assert state(sandbox, CONF + profile + port_80) == known._replace(way="webroot", place="/var/www/acme")
    dns = "authenticator = dns-rfc2136\ndns_rfc2136_credentials = /x.ini\ndns_rfc2136_propagation_seconds = 60\n"
    assert state(sandbox, CONF + profile + dns) == known._replace(way="dns-rfc2136", place="/x.ini", wait="60")


@pytest.mark.parametrize(
    ("lines", "others"),
    [
        ("key_type = ecdsa\n", ""),
        ("pre_hook = systemctl stop nginx\nreuse_key = True\n", "pre_hook, reuse_key"),
        ("webroot_path = /a,\n[[webroot_map]]\na.example.com = /a\nb.example.com = /a\n", ""),
        ("webroot_path = /a,\n[[webroot_map]]\na.example.com = /a\nb.example.com = /b\n", "webroot_map"),
    ],
)
def test_settings_of_renewals_that_are_somebodys(sandbox: Sandbox, lines: str, others: str) -> None:
    sandbox.stub("systemctl", "echo success")
    assert state(sandbox, f"version = 4.0.0\narchive_dir = /x\n{CONF}{lines}").others == others


def test_an_account_that_is_gone_from_the_host(sandbox: Sandbox) -> None:
    sandbox.stub("systemctl", "echo success")
    assert state(sandbox, f"{CONF}account = 1\n").account == "gone"
    account = sandbox.places["/etc/letsencrypt"] / "accounts/acme.example.com/dir/1"
    account.mkdir(parents=True)
    (account / "private_key.json").touch()
    assert state(sandbox, f"{CONF}account = 1\n").account == ""


def test_a_failed_renewal_before_the_last_order(host: Sandbox) -> None:
    host.stub("systemctl", 'case "$*" in *InvocationID*) cat run;; *) echo exit-code;; esac')
    host.stub("journalctl", "echo 'Failed to renew certificate billing_prod with error: no route'")
    (host.directory / "run").write_text("7\n")
    assert state(host).renewal == "no route"
    assert order(host).returncode == 0
    assert state(host).renewal == ""
    (host.directory / "run").write_text("8\n")
    assert state(host).renewal == "no route"


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
