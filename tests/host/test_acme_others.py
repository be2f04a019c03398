"""Certificates of an authority beside others: another environment, another certbot, settings and files of somebody else."""

import pytest

from tests.host import pebble
from tests.host.conftest import Host
from tests.host.ordered import LINEAGE, PROD, RENEWAL, SETTINGS, in_order, on_disk, renew, served

STAGE = "stage.billing.example.com"

# Holds certbot's lock for a while, as Debian's timer does while it renews.
HOLD = """\
systemd-run --quiet --unit busy python3 -c 'import fcntl, time
with open("/etc/letsencrypt/.certbot.lock", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    time.sleep({seconds})'
"""

# What people write there, each of which would change an order or a renewal of ours.
DEFAULTS = """\
authenticator = standalone
http-01-port = 8402
server = https://localhost:14000/nowhere
key-type = rsa
email = somebody@example.com
preferred-chain = Somebody
must-staple = true
allow-subset-of-names = true
pre-hook = touch /root/their-pre-hook
post-hook = touch /root/their-post-hook
deploy-hook = touch /root/their-deploy-hook
"""

THEIRS = "/etc/letsencrypt/renewal/theirs.conf"


def renewal_of(host: Host) -> str:
    return host.machine.run(f"sed '/^renew_before_expiry/d; /^version/d' {RENEWAL}").stdout


def lineages(host: Host) -> set[str]:
    """The certificates that certbot has. What it could not go on with is kept beside them."""
    names = host.machine.run("ls /etc/letsencrypt/live").stdout.split()
    return {name for name in names if ".before-" not in name} - {"README"}


def restart(host: Host, rejects: int = 10) -> None:
    """Start the authority anew, which knows no account then."""
    pebble.start(host.machine, rejects)
    host.machine.run("rm -r /etc/letsencrypt/accounts")


def stage_in_order(host: Host) -> None:
    """The same for stage."""
    disk = host.machine.run(f"openssl x509 -in {LINEAGE.replace('prod', 'stage')}/cert.pem").stdout
    assert served(host, STAGE) == disk


@pytest.mark.everything
def test_two_environments_in_one_run_while_another_certbot_runs(named: Host) -> None:
    named.project.edit("stage", **SETTINGS)
    # Packages first: certbot brings the directory.
    named.machine.run(
        "apt-get install -qq --yes --no-install-recommends certbot > /dev/null && mkdir -p /etc/letsencrypt"
    )
    named.machine.run(HOLD.format(seconds=60))
    run = named.project.apply()
    assert run.exit_code == 0, run.output
    assert named.machine.run("systemctl is-active busy", check=False).stdout != "active\n"
    in_order(named)
    stage_in_order(named)
    assert named.project.make("doctor", "ENV=prod").output.count("certificate") == 0


@pytest.mark.everything
def test_settings_of_somebody_else(named: Host) -> None:
    machine = named.machine
    machine.run(
        "cp /etc/letsencrypt/cli.ini /root/cli.ini && certbot certonly -n --cert-name theirs --webroot -w "
        f"/var/www/acme-challenge -d theirs.example.com --server {pebble.DIRECTORY} || "
        f"certbot certonly -n --cert-name theirs --webroot -w /var/www/acme-challenge -d theirs.example.com --server "
        f"{pebble.DIRECTORY}"
    )
    machine.run("cat >> /etc/letsencrypt/cli.ini", stdin=DEFAULTS)
    before = renewal_of(named)
    assert named.project.planned() == {}
    renew(named)
    assert renewal_of(named) == before
    in_order(named)
    assert machine.run("ls /root/their-*", check=False).stdout == ""
    named.project.edit("prod", additional_domains=["more.example.com"])
    named.project.apply().require_success()
    in_order(named)
    assert machine.run("ls /root/their-*", check=False).stdout == ""
    # For others they hold as ever.
    machine.run("sed -i '/nowhere/d; /standalone/d; /8402/d; /must-staple/d' /etc/letsencrypt/cli.ini")
    for _ in range(8):
        machine.run(f"sed -i 's/^# renew_before_expiry.*/renew_before_expiry = 900 days/' {THEIRS}")
        machine.run("systemctl start certbot.service", check=False)
        if machine.run("ls /root/their-deploy-hook", check=False).stdout:
            break
    assert machine.run("ls /root/their-* | wc -l").stdout == "3\n"
    assert "2 primes" in machine.run("openssl pkey -noout -text -in /etc/letsencrypt/live/theirs/privkey.pem").stdout
    machine.run("cp /root/cli.ini /etc/letsencrypt/cli.ini; certbot delete -n --cert-name theirs")
    named.project.edit("prod", additional_domains=[])
    named.project.apply().require_success()
    in_order(named)


@pytest.mark.everything
def test_a_renewal_while_a_file_of_another_site_is_broken(named: Host) -> None:
    before = served(named)
    named.machine.run("echo broken > /etc/nginx/conf.d/theirs.conf")
    renew(named)
    assert served(named) == before != on_disk(named)
    doctor = named.project.make("doctor", "ENV=prod").output
    assert f"nginx serves another certificate for {PROD}" in doctor, doctor
    named.machine.run("rm /etc/nginx/conf.d/theirs.conf && systemctl start certbot.service")
    in_order(named)


# Each by itself; then an apply mends it.
BY_HAND = {
    "certbot delete": "certbot delete -n --cert-name billing_prod",
    "live is gone": f"rm -r {LINEAGE}",
    "archive is gone": "rm -r /etc/letsencrypt/archive/billing_prod",
    "the file about renewals is gone": f"rm {RENEWAL}",
    "all of it is gone": "rm -r /etc/letsencrypt",
    "the accounts are gone": "rm -r /etc/letsencrypt/accounts",
    "the account is unregistered": f"certbot unregister -n --server {pebble.DIRECTORY}",
    "a key is cut off": f"truncate -s 20 {LINEAGE}/privkey.pem",
    "a chain is empty": f"truncate -s 0 {LINEAGE}/fullchain.pem",
    "another kind of key": f"sed -i 's/^key_type = .*/key_type = rsa/' {RENEWAL}",
    "a hook of somebody": f"sed -i 's/^authenticator/pre_hook = false\\nauthenticator/' {RENEWAL}",
    # certbot writes the part with a name whose proof the authority asked for. It does not ask again at each order.
    "another directory for a name": (
        f"sed -i '/^\\[\\[webroot_map/d; /^{PROD} = /d' {RENEWAL} && "
        f"printf '[[webroot_map]]\\n{PROD} = /var/www/html\\n' >> {RENEWAL}"
    ),
}


@pytest.mark.everything
@pytest.mark.parametrize("how", BY_HAND)
def test_by_hand(named: Host, how: str) -> None:
    named.machine.run(BY_HAND[how])
    assert "Certificate: order" in named.project.planned()
    run = named.project.apply()
    assert run.exit_code == 0, run.output
    in_order(named)
    assert "prime256v1" in named.machine.run(f"openssl x509 -noout -text -in {LINEAGE}/cert.pem").stdout
    assert lineages(named) == {"billing_prod", "billing_stage"}


@pytest.mark.everything
def test_a_certificate_of_the_same_name_by_somebody_else(named: Host) -> None:
    named.machine.run("certbot delete -n --cert-name billing_prod")
    order = (
        f"certbot certonly -n --agree-tos --register-unsafely-without-email --cert-name billing_prod --webroot -w "
        f"/var/www/acme-challenge -d {PROD} -d wiki.example.com --server {pebble.DIRECTORY}"
    )
    named.machine.run(f"for i in 1 2 3 4 5 6 7 8; do {order} && exit 0; done; exit 1")
    run = named.project.apply()
    assert run.exit_code == 1
    assert "that was not ordered here, also for wiki.example.com" in run.output, run.output
    named.project.make("apply", "ENV=prod", "YES=1", "FORCE=1").require_success()
    in_order(named)


@pytest.mark.everything
def test_long_names_and_many(named: Host) -> None:
    # Of some hundred requests each would have to be taken at its second try.
    restart(named, rejects=0)
    names = [f"n{number}.{'a' * 60}.{'b' * 60}.example.com" for number in range(98)]
    named.project.edit("prod", additional_domains=["xn--bcher-kva.example.com", *names])
    run = named.project.apply()
    assert run.exit_code == 0, run.output
    in_order(named)
    renew(named)
    in_order(named)
    named.project.edit("prod", additional_domains=[])
    named.project.apply().require_success()
    restart(named)


@pytest.mark.everything
def test_a_certificate_of_ones_own_and_back(named: Host) -> None:
    named.machine.run(f"mkdir /root/own && cp -L {LINEAGE}/*.pem /root/own")
    own = {"tls_certificate": "/root/own/fullchain.pem", "tls_key": "/root/own/privkey.pem"}
    named.project.edit("prod", tls="provided", acme_directory=None, acme_contact=None, **own)
    named.project.apply().require_success()
    assert named.project.planned() == {}
    assert lineages(named) == {"billing_stage"}
    named.project.edit("prod", **SETTINGS, **dict.fromkeys(own))
    named.project.apply().require_success()
    in_order(named)
    assert lineages(named) == {"billing_prod", "billing_stage"}


@pytest.mark.everything
def test_without_the_authority_for_good(named: Host) -> None:
    named.machine.run("systemctl stop pebble")
    for environment in ("stage", "prod"):
        named.project.edit(environment, tls="self_signed")
    named.machine.run(HOLD.format(seconds=15))
    named.project.apply().require_success()
    assert named.project.planned() == {}
    assert lineages(named) == set()
    assert named.machine.run("ls /etc/letsencrypt/renewal/*.conf", check=False).stdout == ""
