"""A name server (BIND) that takes updates, on a machine of the tests."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from tests.sandbox.machine import Machine

KEY = "billing-prod"
SECRET = b64encode(sha256(b"a key of the tests").digest()).decode()

# Its Debian package would start it with a configuration that has the port in use.
_INSTALL = """\
systemctl mask --quiet named.service
apt-get install -qq --yes --no-install-recommends bind9 > /dev/null
"""

# A key may write the records of these names alone.
_CONF = f"""\
key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{
    directory "/var/cache/bind"; pid-file none; session-keyfile none; recursion no; dnssec-validation no;
    listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
}};
controls {{ }};
zone "example.com" {{
    type primary; file "/var/cache/bind/zone";
    update-policy {{ grant {KEY} name _acme-challenge.billing.example.com TXT; }};
}};
"""

# {address}: of all names, {own}: of the name server
_ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 5
@ NS ns
ns A {own}
* A {address}
billing A {address}
"""


@contextmanager
def updated(machine: Machine, address: str, own: str = "127.0.0.1") -> Iterator[None]:
    """Instead of the authority's name server, one that takes updates.

    + machine: with an authority
    + address: IPv4 that all names of its zone have
    + own: IPv4 of the name server, as its zone says
    """
    machine.run(_INSTALL)
    machine.run("cat > /var/cache/bind/named.conf", stdin=_CONF)
    machine.run("cat > /var/cache/bind/zone", stdin=_ZONE.format(address=address, own=own))
    machine.run("chown -R bind: /var/cache/bind && systemctl stop names")
    machine.run(
        "systemd-run --quiet --unit bind named -f -u bind -c /var/cache/bind/named.conf && for i in $(seq 100); do "
        "ss -Hltn | grep -qF 127.0.0.1:53 && exit 0; sleep 0.1; done; exit 1"
    )
    yield
    machine.run("systemctl stop bind")
    machine.run("sh /root/names.sh")
