"""A certificate that prod of a machine has ordered from the authority of the tests."""

import ssl
from typing import TYPE_CHECKING

from tests.host import pebble
from tests.host.web import tls_connect

if TYPE_CHECKING:
    from tests.host.conftest import Host

PROD, WWW = "billing.example.com", "www.billing.example.com"
LINEAGE = "/etc/letsencrypt/live/billing_prod"
RENEWAL = "/etc/letsencrypt/renewal/billing_prod.conf"
SETTINGS = {"tls": "acme", "acme_directory": pebble.DIRECTORY, "acme_contact": "ops@example.com"}


def served(host: "Host", name: str = PROD) -> str:
    with tls_connect(host.machine.address, name) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


def on_disk(host: "Host") -> str:
    return host.machine.run(f"openssl x509 -in {LINEAGE}/cert.pem").stdout


def renew(host: "Host") -> None:
    """What certbot's timer does, early. The authority rejects some nonces, and the timer tries twice a day."""
    before = on_disk(host)
    for _ in range(8):
        host.machine.run(f"sed -i 's/^renew_before_expiry.*/renew_before_expiry = 900 days/' {RENEWAL}")
        host.machine.run("systemctl start certbot.service", check=False)
        if on_disk(host) != before:
            return
    raise AssertionError("nothing was renewed")


def in_order(host: "Host") -> None:
    """nginx serves the certificate on disk, and there is nothing to do."""
    assert served(host) == on_disk(host)
    assert host.project.planned() == {}
