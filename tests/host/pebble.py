"""An authority for certificates (pebble) and its name server, on a machine of the tests."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sandbox.cache import kept
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import Machine

DIRECTORY = "https://localhost:14000/dir"

# Puts packages into apt's cache of the directory that is bound to /debs.
_DOWNLOAD = """\
set -e
mkdir -p /debs/partial
apt-get install -qq --download-only --no-install-recommends --yes -o Dir::Cache::archives=/debs certbot pebble \
    python3-certbot-dns-rfc2136 bind9-dnsutils bind9
rm -rf /debs/partial /debs/lock
"""

# $1: the machine's address
_AUTHORITY = """\
set -eu
mkdir -p /root/pebble
cd /root/pebble
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc "$@" 2> /dev/null; }
new -x509 -days 30 -subj /CN=authority -keyout ca.key -out ca.pem
new -subj /CN=localhost -keyout key.pem -out request.pem
echo subjectAltName=DNS:localhost > names
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 29 -extfile names -out cert.pem 2> /dev/null
cp ca.pem /usr/local/share/ca-certificates/pebble.crt
update-ca-certificates > /dev/null 2>&1
echo nameserver 127.0.0.1 > /etc/resolv.conf
cat > /root/names.sh <<N
systemd-run --quiet --unit names pebble-challtestsrv -defaultIPv4 "$1" -defaultIPv6 "" -dns01 127.0.0.1:53 \
    -http01 "" -https01 "" -tlsalpn01 "" -management 127.0.0.1:8055
N
sh /root/names.sh
"""


def packages(release: str) -> Path:
    """Directory with the Debian packages of certbot, pebble and BIND.

    + release: trixie or bookworm
    """

    def make(directory: Path) -> None:
        done = run_in(image(release), _DOWNLOAD, binds={directory: ("/debs", False)}, network=Path("/proc/self/ns/net"))
        assert done.returncode == 0, done.stdout + done.stderr

    return kept(f"certbot-{release}", [release, image(release).name, _DOWNLOAD], make)


def put_packages(machine: Machine) -> None:
    """Let the machine's apt have certbot, and install pebble.

    + machine: that runs
    """
    archives = Path(f"/proc/{machine.pid}/root/var/cache/apt/archives")
    for deb in packages(machine.release).glob("*.deb"):
        shutil.copy(deb, archives)
    machine.run("dpkg -i /var/cache/apt/archives/pebble_*.deb")


@contextmanager
def authority(machine: Machine) -> Iterator[None]:
    """A name server that leads every name to the machine, and an authority that asks it.

    + machine: with the packages
    """
    machine.run(f"cat > /root/authority.sh <<'E'\n{_AUTHORITY}E\nsh /root/authority.sh {machine.address}")
    start(machine)
    yield
    machine.run("systemctl stop names pebble", check=False)


def start(machine: Machine, rejects: int = 10) -> None:
    """Start an authority that rejects some nonces, takes its time, and knows no account.

    + machine: with the packages
    + rejects: percentage of nonces
    """
    conf = {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": "/root/pebble/cert.pem",
        "privateKey": "/root/pebble/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": 90 * 24 * 3600,
    }
    machine.run("cat > /root/pebble/conf.json", stdin=json.dumps({"pebble": conf}))
    machine.run(
        "systemctl stop pebble 2>/dev/null; systemctl reset-failed pebble 2>/dev/null; "
        f"systemd-run --quiet --unit pebble --setenv PEBBLE_VA_SLEEPTIME=2 --setenv PEBBLE_WFE_NONCEREJECT={rejects} "
        "--setenv PEBBLE_AUTHZREUSE=0 pebble -config /root/pebble/conf.json -dnsserver 127.0.0.1:53 && "
        f"for i in $(seq 100); do curl -s -o /dev/null {DIRECTORY} && exit 0; sleep 0.1; done; exit 1"
    )


def lead(machine: Machine, name: str, address: str) -> None:
    """Let a name lead to another address.

    + name: DNS name
    + address: IPv4
    """
    _tell(machine, "add-a", host=f"{name}.", addresses=[address])


@contextmanager
def default(machine: Machine, *, ipv4: str, ipv6: str) -> Iterator[None]:
    """For the block, all other names have these addresses.

    + ipv4: empty for none
    + ipv6: likewise
    """
    _tell(machine, "set-default-ipv4", ip=ipv4)
    _tell(machine, "set-default-ipv6", ip=ipv6)
    yield
    _tell(machine, "set-default-ipv4", ip=machine.address)
    _tell(machine, "set-default-ipv6", ip="")


def _tell(machine: Machine, what: str, **said: object) -> None:
    machine.run(f"curl -s -d @- http://127.0.0.1:8055/{what}", stdin=json.dumps(said))
