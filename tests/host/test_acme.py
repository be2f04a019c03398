"""Certificates of an authority: the first one, renewals, other names, and an authority that refuses."""

import re
import threading
import time

import pytest

from tests.host import name_server, pebble
from tests.host.conftest import Host
from tests.host.ordered import LINEAGE, PROD, RENEWAL, SETTINGS, WWW, in_order, on_disk, renew, served
from tests.host.test_ports import give_ipv6, ipv6
from tests.host.web import get

# An address of the machine at which nobody answers.
ELSEWHERE = """\
nft add table inet elsewhere
nft 'add chain inet elsewhere in {{ type filter hook input priority -10; }}'
nft add rule inet elsewhere in ip daddr {address} tcp dport 80 reject with tcp reset
"""


def test_one_apply_ends_with_the_certificate_in_force(named: Host) -> None:
    planned = named.project.planned()
    assert {"Certificate: order", "Certificate: site", "Certificate: in force"} <= set(planned)
    run = named.project.apply()
    assert run.exit_code == 0, run.output
    in_order(named)
    text = named.machine.run(f"openssl x509 -noout -text -in {LINEAGE}/cert.pem").stdout
    assert f"DNS:{PROD}" in text
    assert "prime256v1" in text
    assert named.machine.run("systemctl is-active certbot.timer").stdout == "active\n"
    assert named.machine.run("find /var/www/acme-challenge -type f").stdout == ""


@pytest.mark.everything
def test_a_second_apply_changes_nothing(named: Host) -> None:
    assert named.project.applied() == {}


@pytest.mark.everything
@pytest.mark.each_release
def test_a_renewal_loses_no_request_and_is_no_drift(named: Host) -> None:
    before, answers, over = served(named), [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(get(named.machine.address, PROD, tls=True).status)
            time.sleep(0.05)

    client = threading.Thread(target=ask)
    client.start()
    try:
        renew(named)
    finally:
        over.set()
        client.join()
    assert served(named) != before
    assert answers
    assert set(answers) == {502}
    in_order(named)


@pytest.mark.everything
def test_a_renewal_by_hand(named: Host) -> None:
    order = (
        f"certbot certonly -n --cert-name billing_prod --force-renewal --webroot -w /var/www/acme-challenge -d {PROD}"
    )
    # Others' hooks fail, and certbot leaves out ours.
    named.machine.run(
        "printf '#!/bin/sh\\nexit 3\\n' > /etc/letsencrypt/renewal-hooks/deploy/theirs && "
        "chmod +x /etc/letsencrypt/renewal-hooks/deploy/theirs && "
        f"cp {RENEWAL} /root/renewal && before=$(readlink {LINEAGE}/cert.pem) && for i in 1 2 3 4 5 6 7 8; do "
        f"{order} --server {pebble.DIRECTORY}; [ $(readlink {LINEAGE}/cert.pem) = $before ] || break; done; "
        f"cp /root/renewal {RENEWAL}"
    )
    # Certificates of certbot that nginx has not read yet.
    assert set(named.project.planned()) == {"Site", "Certificate: in force"}
    named.machine.run("systemctl reload nginx")
    deadline = time.monotonic() + 20
    # systemctl does not wait for the new workers.
    while served(named) != on_disk(named) and time.monotonic() < deadline:
        time.sleep(0.1)
    in_order(named)
    renew(named)
    in_order(named)
    named.machine.run("rm /etc/letsencrypt/renewal-hooks/deploy/theirs")


@pytest.mark.everything
def test_names_come_and_go(named: Host) -> None:
    named.project.edit("prod", additional_domains=[WWW])
    assert named.project.applied()["Certificate: order"] == ["prod"]
    in_order(named)
    assert served(named, WWW) == on_disk(named)
    named.project.edit("prod", additional_domains=[])
    named.project.apply().require_success()
    in_order(named)
    assert WWW not in named.machine.run(f"openssl x509 -noout -text -in {LINEAGE}/cert.pem").stdout


@pytest.mark.everything
def test_a_name_that_leads_elsewhere_costs_no_order(named: Host) -> None:
    before = served(named)
    named.machine.run("ip address add 192.0.2.9/32 dev lo")
    named.machine.run(ELSEWHERE.format(address="192.0.2.9"))
    pebble.lead(named.machine, WWW, "192.0.2.9")
    named.project.edit("prod", additional_domains=[WWW])
    run = named.project.apply()
    assert run.exit_code == 1
    assert f"No order, because it would fail: {WWW} leads to 192.0.2.9, and port 80 there" in run.output, run.output
    assert served(named) == before
    assert named.machine.run("ls /var/lib/billing_prod/order.failed", check=False).returncode == 2
    named.machine.run("nft delete table inet elsewhere")
    named.project.edit("prod", additional_domains=[])
    named.project.apply().require_success()
    in_order(named)


@pytest.mark.everything
def test_an_authority_that_is_down(named: Host) -> None:
    before = served(named)
    named.machine.run("systemctl stop pebble")
    # The timer's own run, early.
    named.machine.run(f"sed -i 's/^renew_before_expiry.*/renew_before_expiry = 900 days/' {RENEWAL}")
    named.machine.run("systemctl start certbot.service", check=False)
    doctor = named.project.make("doctor", "ENV=prod").output
    assert re.search(r"certbot could not renew the certificate billing_prod: .*Connection refused", doctor), doctor
    assert "certificate renewal failed" in named.project.make("status", "ENV=prod").output
    assert named.project.planned() == {}
    named.project.edit("prod", additional_domains=["api.billing.example.com"])
    for said in (
        "gave no certificate: ValueError: Requesting localhost/dir: Connection refused",
        "No order: the one before failed less than an hour ago",
    ):
        run = named.project.apply()
        assert run.exit_code == 1
        assert said in run.output, run.output
    assert served(named) == before
    assert "the last order of a certificate failed" in named.project.make("doctor", "ENV=prod").output
    # The authority has forgotten its accounts.
    pebble.start(named.machine)
    named.project.make("apply", "ENV=prod", "YES=1", "FORCE=1").require_success()
    in_order(named)


@pytest.mark.everything
def test_another_kind_of_certificate_takes_its_place(named: Host) -> None:
    named.project.edit("prod", tls="self_signed", additional_domains=[])
    named.project.apply().require_success()
    assert named.project.planned() == {}
    assert named.machine.run("ls /etc/letsencrypt/live /etc/letsencrypt/renewal").stdout.count("billing_prod") == 0
    assert (
        "O = self-signed"
        in named.machine.run(
            "openssl x509 -noout -issuer -in /etc/ssl/private/billing_prod.pem -nameopt space_eq"
        ).stdout
    )


@pytest.mark.everything
def test_on_a_restricted_site(named: Host) -> None:
    named.project.set_secrets("prod", basic_auth_password="correct horse battery")
    named.project.edit("prod", **SETTINGS, allowed_addresses=["192.0.2.77"], basic_auth_user="team")
    named.project.apply().require_success()
    in_order(named)
    named.project.edit("prod", allowed_addresses=[], basic_auth_user=None)


@pytest.mark.everything
def test_where_names_have_ipv6_alone(named: Host) -> None:
    give_ipv6(named.machine)
    # As if nobody reached port 80 by IPv4.
    named.machine.run(ELSEWHERE.format(address=named.machine.address))
    with pebble.default(named.machine, ipv4="", ipv6=ipv6(named.machine)):
        named.project.edit("prod", **SETTINGS, additional_domains=["six.billing.example.com"])
        named.project.apply().require_success()
        assert (
            "six.billing.example.com" in named.machine.run(f"openssl x509 -noout -text -in {LINEAGE}/cert.pem").stdout
        )
        renew(named)
    named.machine.run("nft delete table inet elsewhere")
    in_order(named)


# Passes on what authorities ask for, to port 80 alone. Everything else it would answer by TLS.
BALANCER = """\
ip address replace 192.0.2.10/32 dev lo
cat > /root/balancer.conf <<'E'
pid /run/balancer.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:8099;
        location / {{ return 301 https://$host$request_uri; }}
        location /.well-known/acme-challenge/ {{ proxy_pass http://{address}:80; proxy_set_header Host $host; }}
    }}
}}
E
nft add table ip balancer
nft 'add chain ip balancer out {{ type nat hook output priority -100; }}'
nft add rule ip balancer out ip daddr 192.0.2.10 tcp dport 80 redirect to :8099
systemd-run --quiet --unit balancer nginx -g 'daemon off;' -c /root/balancer.conf
for i in $(seq 100); do ss -Hltn | grep -q :8099 && exit 0; sleep 0.1; done; exit 1
"""


@pytest.mark.everything
def test_behind_a_balancer_that_ends_tls(named: Host) -> None:
    named.machine.run(BALANCER.format(address=named.machine.address))
    with pebble.default(named.machine, ipv4="192.0.2.10", ipv6=""):
        named.project.edit("prod", **SETTINGS, additional_domains=["balanced.example.com"])
        named.project.apply().require_success()
        assert "balanced.example.com" in named.machine.run(f"openssl x509 -noout -text -in {LINEAGE}/cert.pem").stdout
    named.machine.run("systemctl stop balancer; nft delete table ip balancer")
    in_order(named)


@pytest.mark.everything
def test_a_file_about_renewals_that_is_broken_by_hand(named: Host) -> None:
    named.machine.run(f"echo '[[[' > {RENEWAL}")
    named.project.apply().require_success()
    in_order(named)
    assert named.machine.run("ls /etc/letsencrypt/live").stdout == "README\nbilling_prod\n"


DNS = {"acme_dns": "rfc2136", "acme_dns_server": "127.0.0.1", "acme_dns_key": name_server.KEY, "acme_dns_wait": 2}
KEY_FILE = "/var/lib/billing_prod/acme-dns.ini"


@pytest.mark.everything
def test_a_wildcard_by_dns(named: Host) -> None:
    # To an address where nobody answers: the record alone counts.
    with name_server.updated(named.machine, "192.0.2.99"):
        named.project.set_secrets("prod", acme_dns_secret=name_server.SECRET)
        named.project.edit("prod", **SETTINGS, **DNS, additional_domains=["*.billing.example.com"])
        plan = named.project.make("plan", "ENV=prod").output
        run = named.project.apply()
        assert run.exit_code == 0, run.output
        assert name_server.SECRET not in plan + run.output
        in_order(named)
        assert served(named, "any.billing.example.com") == on_disk(named)
        assert named.machine.run(f"stat -c '%U:%G %a' {KEY_FILE}").stdout == "root:root 600\n"
        assert named.machine.run(f"grep -rl {name_server.SECRET} /etc/letsencrypt /var/log", check=False).stdout == ""
        renew(named)
        in_order(named)
        record = "dig +short @127.0.0.1 _acme-challenge.billing.example.com TXT"
        assert named.machine.run(record).stdout == ""
        # The vault's secret changes, and the name server's does not.
        named.project.set_secrets("prod", acme_dns_secret="A" * 43 + "=")
        assert set(named.project.applied()) == {"Certificate: key for DNS"}
        named.project.edit("prod", additional_domains=[])
        run = named.project.apply()
        assert run.exit_code == 1
        assert "acme_dns_secret is wrong" in run.output, run.output
        assert "A" * 43 not in run.output
    named.project.edit("prod", **dict.fromkeys(DNS))
    named.project.apply().require_success()
    in_order(named)
    assert named.machine.run(f"ls {KEY_FILE}", check=False).returncode == 2


# The machine's resolver alone may be asked.
FIREWALL = """\
ip address replace 192.0.2.53/32 dev lo
nft add table inet firewall
nft 'add chain inet firewall in { type filter hook input priority -10; }'
nft add rule inet firewall in ip daddr 192.0.2.53 udp dport 53 drop
nft add rule inet firewall in ip daddr 192.0.2.53 tcp dport 53 drop
"""


@pytest.mark.everything
def test_by_dns_behind_a_firewall_that_lets_out_no_question_but_those_to_the_resolver(named: Host) -> None:
    named.machine.run(FIREWALL)
    with name_server.updated(named.machine, "192.0.2.99", own="192.0.2.53"):
        named.project.set_secrets("prod", acme_dns_secret=name_server.SECRET)
        named.project.edit("prod", **SETTINGS, **DNS)
        run = named.project.apply()
        assert run.exit_code == 0, run.output
        in_order(named)
        # The resolver does not find it either.
        named.machine.run("echo nameserver 192.0.2.54 > /etc/resolv.conf")
        named.project.edit("prod", additional_domains=["*.billing.example.com"])
        run = named.project.apply()
        assert run.exit_code == 1
        assert "this machine's resolver does not find it, and knows no name server of its zone" in run.output, (
            run.output
        )
        named.machine.run("echo nameserver 127.0.0.1 > /etc/resolv.conf; nft delete table inet firewall")
    named.project.edit("prod", **dict.fromkeys(DNS), additional_domains=[])
    named.project.apply().require_success()
    in_order(named)
