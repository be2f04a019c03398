"""Sites under attack: slow clients, other protocols than websockets, weak ciphers, readers of logs."""

import contextlib
import json
import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from tests.host import slow_clients as slow
from tests.host.conftest import Host
from tests.host.web import get, tls_connect

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


ADDRESSES = ["127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14"]


@contextlib.contextmanager
def slow_clients(
    host: Host, kind: str, each: int, *addresses: str
) -> Iterator[Callable[[], tuple[int, dict[str, int]]]]:
    """Slow clients while the block runs. The function ends them: how many nginx had ended, and statuses of the answers."""
    command = ["nsenter", "--target", str(host.machine.pid), "--net", sys.executable, slow.__file__]
    with subprocess.Popen(
        [*command, kind, "80", STAGE, str(each), *addresses], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert int(run.stdout.readline()) == each * len(addresses)

        def end() -> tuple[int, dict[str, int]]:
            ended, statuses = json.loads(run.communicate()[0])
            return ended, statuses

        yield end
        run.kill()


def answers_soon(host: Host) -> bool:
    begin = time.monotonic()
    answers = [get(host.machine.address, STAGE), get(host.machine.address, PROD, tls=True)]
    assert {answer.status for answer in answers} <= {200, 502}
    return time.monotonic() - begin < 10


@pytest.mark.everything
@pytest.mark.parametrize("kind", ["header", "body"])
def test_slow_requests_from_several_addresses_end(host: Host, kind: str) -> None:
    with slow_clients(host, kind, 300, *ADDRESSES) as end:
        assert answers_soon(host)
        time.sleep(40)
        assert answers_soon(host)
        assert end()[0] == 1200


@pytest.mark.everything
def test_slow_readers_end(host: Host) -> None:
    """The application's answer is longer than every buffer on the way."""
    host.machine.run("cat > /run/sender.pl", stdin=SENDER)
    host.machine.run(
        "systemd-run --quiet --unit sender perl -MIO::Socket::INET /run/sender.pl"
        " && timeout 20 sh -c 'until ss -Hltn sport = :4001 | grep -q .; do sleep 0.1; done'"
    )
    try:
        with slow_clients(host, "response", 40, *ADDRESSES) as end:
            assert answers_soon(host)
            time.sleep(45)
            assert answers_soon(host)
            left = host.machine.run("ss -Htn state established sport = :80").stdout.splitlines()
            end()
        assert left == []
    finally:
        host.machine.run("systemctl stop sender")


def test_an_address_gets_no_more_than_its_share(host: Host) -> None:
    with slow_clients(host, "body", 600, ADDRESSES[0]) as end:
        assert answers_soon(host)
        assert end()[1] == {"429": 100}


def test_a_network_of_ipv6_is_one_address(host: Host) -> None:
    networks = [["2001:db8:5::1", "2001:db8:5::ffff:1"], ["2001:db8:6::1", "2001:db8:7::1"]]
    host.machine.run("".join(f"ip -6 address add {one}/128 dev lo nodad; " for network in networks for one in network))
    answers = []
    for network in networks:
        with slow_clients(host, "body", 300, *network) as end:
            time.sleep(1)
            answers.append(end()[1])
    assert answers == [{"429": 100}, {}]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(host: Host, version: ssl.TLSVersion) -> None:
    for name in (PROD, "unknown.example.org"):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            tls_connect(host.machine.address, name, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=version)


def test_a_broken_request_learns_no_version(host: Host) -> None:
    with socket.create_connection((host.machine.address, 80), timeout=20) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        words = b""
        while piece := connection.recv(4096):
            words += piece
    assert b"400 Bad Request" in words
    assert b"nginx/" not in words


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


def test_logs_of_sites_are_not_for_everybody(host: Host) -> None:
    modes = host.machine.run("stat -c '%a %n' /var/log/nginx/billing_*.log").stdout.splitlines()
    assert len(modes) == 4
    assert [line for line in modes if not line.startswith("640 ")] == []
    assert host.machine.run("stat -c '%U %a' /var/log/nginx").stdout == "root 755\n"


# What Debian's logrotate does for nginx, which a machine of the tests does not have: "create 0640 www-data adm".
ROTATION = """\
cd /var/log/nginx && for log in *.log; do
    mv "$log" "$log.$(date +%N)" && install --mode 640 --owner www-data --group adm /dev/null "$log"
done
invoke-rc.d nginx rotate
"""


@pytest.mark.everything
def test_logs_that_were_rotated_are_not_for_everybody(host: Host) -> None:
    host.machine.run(f"chmod 644 /var/log/nginx/billing_stage.access.log && {ROTATION}")
    host.project.apply("--limit", "stage").require_success()
    host.machine.run(f"rm /var/log/nginx/billing_stage.error.log; {ROTATION}")
    host.project.apply("--limit", "stage").require_success()
    get(host.machine.address, STAGE)
    modes = host.machine.run("stat -c '%a %n' /var/log/nginx/*").stdout.splitlines()
    assert len(modes) > 8
    assert [line for line in modes if not line.startswith("640 ")] == []


# Answers everybody with 8 MiB, twice what the kernel keeps of a connection, and nginx takes it at once.
SENDER = """\
$SIG{PIPE} = "IGNORE";
$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:4001", Listen => 4096, ReuseAddr => 1) or die "no port: $!";
while ($client = $listener->accept) {
    sysread $client, $words, 4096;
    print $client "HTTP/1.1 200 OK\\r\\nContent-Length: 8388608\\r\\nConnection: close\\r\\n\\r\\n", "x" x 8388608;
    close $client;
}
"""

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
