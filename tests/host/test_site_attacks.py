"""Sites under attack: slow clients, other protocols than websockets, weak ciphers, readers of logs."""

import contextlib
import resource
import socket
import ssl
import time

import pytest

from tests.host.conftest import Host
from tests.host.web import get

STAGE = "stage.billing.example.com"
PROD = "billing.example.com"
SLOW = 2400


def test_slow_clients_do_not_close_the_sites(host: Host) -> None:
    """More connections than a worker of Debian's nginx can hold, each with half a header."""
    address = host.machine.address
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * SLOW), hard))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(SLOW):
                connection = stack.enter_context(socket.create_connection((address, 80), timeout=20))
                connection.sendall(f"GET / HTTP/1.1\r\nHost: {STAGE}\r\n".encode())
            begin = time.monotonic()
            assert get(address, STAGE).status == 502
            assert get(address, PROD, tls=True).status == 502
            assert time.monotonic() - begin < 5
            # nginx ends a request whose header does not come.
            connection.settimeout(30)
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.each_release
def test_ciphers_of_blocks_are_refused(host: Host) -> None:
    for name in (PROD, "unknown.example.org"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(
            "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256"
        )
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            context.wrap_socket(socket.create_connection((host.machine.address, 443), timeout=20), server_hostname=name)


@pytest.mark.each_release
def test_logs_of_sites_are_not_for_everybody(host: Host) -> None:
    modes = host.machine.run("stat -c '%a %n' /var/log/nginx/billing_*.log").stdout.splitlines()
    assert len(modes) == 4
    assert [line for line in modes if not line.startswith("640 ")] == []


# Prints what its first client sends.
LISTENER = """\
$| = 1;
$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:4001", Listen => 1, ReuseAddr => 1) or die "no port: $!";
print "ready\\n";
$client = $listener->accept;
sysread $client, $words, 4096;
print $words;
"""


def test_only_websockets_reach_the_application(host: Host) -> None:
    host.machine.run("cat > /run/listener.pl", stdin=LISTENER)
    seen = []
    for upgrade in ("h2c", "websocket"):
        host.machine.run(
            "rm -f /run/heard; systemd-run --quiet --collect --unit heard --property StandardOutput=truncate:/run/heard"
            " perl -MIO::Socket::INET /run/listener.pl"
            " && timeout 20 sh -c 'until grep -qs ready /run/heard; do sleep 0.1; done'"
        )
        with contextlib.suppress(ConnectionError):
            get(host.machine.address, STAGE, Upgrade=upgrade, Connection="Upgrade, HTTP2-Settings")
        seen.append(host.machine.run("cat /run/heard").stdout.lower())
    assert "upgrade" not in seen[0]
    assert "upgrade: websocket" in seen[1]
