"""Certificates of an authority: the first one, renewals, other names, and an authority that refuses."""

import re
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.host import pebble
from tests.host.conftest import Host
from tests.host.web import get, tls_connect

PROD, WWW = "billing.example.com", "www.billing.example.com"
LINEAGE = "/etc/letsencrypt/live/billing_prod"
RENEWAL = "/etc/letsencrypt/renewal/billing_prod.conf"
SETTINGS = {"tls": "acme", "acme_directory": pebble.DIRECTORY, "acme_contact": "ops@example.com"}

# An address of the machine at which nobody answers.
ELSEWHERE = """\
ip address add 192.0.2.9/32 dev lo
nft add table inet elsewhere
nft 'add chain inet elsewhere in { type filter hook input priority -10; }'
nft add rule inet elsewhere in ip daddr 192.0.2.9 reject with tcp reset
"""


@pytest.fixture(scope="module")
def named(host: Host) -> Iterator[Host]:
    """A machine with an authority beside it, whose prod wants a certificate."""
    pebble.put_packages(host.machine)
    with pebble.authority(host.machine):
        host.project.edit("prod", **SETTINGS)
        yield host


def served(host: Host, name: str = PROD) -> str:
    with tls_connect(host.machine.address, name) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


def on_disk(host: Host) -> str:
    return host.machine.run(f"openssl x509 -in {LINEAGE}/cert.pem").stdout


def in_order(host: Host) -> None:
    """nginx serves the certificate on disk, and there is nothing to do."""
    assert served(host) == on_disk(host)
    assert host.project.planned() == {}


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
def test_a_renewal_loses_no_request_and_is_no_drift(named: Host) -> None:
    before, answers, over = served(named), [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(get(named.machine.address, PROD, tls=True).status)
            time.sleep(0.05)

    client = threading.Thread(target=ask)
    client.start()
    try:
        named.machine.run("certbot renew --no-random-sleep-on-renew --force-renewal --cert-name billing_prod 2>&1")
    finally:
        over.set()
        client.join()
    assert served(named) != before
    assert answers
    assert set(answers) == {502}
    in_order(named)


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
    named.machine.run(ELSEWHERE)
    pebble.lead(named.machine, WWW, "192.0.2.9")
    named.project.edit("prod", additional_domains=[WWW])
    run = named.project.apply()
    assert run.exit_code == 1
    assert f"No order, because it would fail: {WWW} leads to 192.0.2.9, and port 80 there" in run.output, run.output
    assert served(named) == before
    assert named.machine.run("ls /var/lib/billing_prod/order.failed", check=False).returncode == 2
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
    named.project.edit("prod", **SETTINGS, allowed_addresses=["192.0.2.77"])
    named.project.apply().require_success()
    in_order(named)
    named.project.edit("prod", allowed_addresses=[])
