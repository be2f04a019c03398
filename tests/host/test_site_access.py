"""Access to a site: allowed addresses and HTTP basic auth, from a browser's view."""

import base64
import socket
import sys
from collections.abc import Iterator

import pytest

from tests.host import releases
from tests.host.conftest import TRIXIE, Host
from tests.host.partial import converge
from tests.host.web import Answer, get

# nginx and its modules for this are the same in both releases; that it takes each site is tested in test_site.py.
pytestmark = TRIXIE

STAGE = "stage.billing.example.com"
HTPASSWD = "/etc/nginx/billing_stage.htpasswd"
PASSWORD = "correct: horse #1"

# Documentation's addresses (RFC 5737, RFC 3849): nobody has them.
ELSEWHERE = ["192.0.2.0/24", "2001:db8::/32"]

# In the place of an application: what reached it.
ECHO = """\
$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:4001", Listen => 64, ReuseAddr => 1) or die "no port: $!";
while ($client = $listener->accept) {
    my %seen;
    # The line of the request.
    <$client>;
    while (<$client> =~ /^([^:]+): *(.*?)\\r?$/) { $seen{lc $1} = $2 }
    my $claims = join ",", grep { /^(remote-user|(true|cf|client|fastly)-|x-(client|original))/ } sort keys %seen;
    my $text = "authorization=$seen{authorization} upgrade=$seen{upgrade}";
    print $client "HTTP/1.0 200 OK\\r\\nContent-Length: ", length $text,
        "\\r\\nX-Seen: $seen{'x-forwarded-proto'} $seen{'x-forwarded-port'} $seen{'x-forwarded-for'} ", length $seen{cookie},
        "\\r\\nX-Claims: $claims",
        "\\r\\nSet-Cookie: session=", "c" x 3900, "\\r\\nContent-Security-Policy: ", "p" x 600, "\\r\\n\\r\\n", $text;
    close $client;
}
"""


@pytest.fixture
def stage(sites: Host) -> Iterator[Host]:
    """For a test that restricts stage, which is open again afterwards."""
    yield sites
    sites.project.edit("stage", basic_auth_user=None, allowed_addresses=None, trusted_proxies=None)
    sites.project.apply().require_success()


@pytest.fixture
def echo(stage: Host) -> Iterator[Host]:
    """The same, where an application answers."""
    stage.machine.run("cat > /run/echo.pl", stdin=ECHO)
    start = "systemd-run --quiet --unit echo --uid billing_stage perl -MIO::Socket::INET /run/echo.pl"
    stage.machine.run(f"{start} && until ss -Hltn | grep -q 127.0.0.1:4001; do sleep 0.1; done", timeout=20)
    yield stage
    stage.machine.run("systemctl stop echo")


def test_headers_with_the_cookies_of_an_application(echo: Host) -> None:
    answer = page(echo, Cookie="session=" + "c" * 7000 + "; a=" + "b" * 4000)
    assert (answer.status, len(answer.headers["set-cookie"])) == (200, 3908)
    assert answer.headers["x-seen"].split()[-1] == "11012"


def test_what_a_proxy_says_counts_where_it_is_trusted(echo: Host) -> None:
    claims = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "127.0.0.1, 203.0.113.9", "X_Forwarded_Port": "1"}
    proto, port, address = page(echo, **claims).headers["x-seen"].split()
    assert (proto, port) == ("http", "80")
    assert address not in ("203.0.113.9", "127.0.0.1")
    echo.project.edit("stage", trusted_proxies=["192.0.2.0/24"])
    assert converge(echo.project, "stage") == ["Site"]
    assert page(echo, **claims).headers["x-seen"] == f"http 80 {address}"
    echo.project.edit("stage", trusted_proxies=["192.0.2.0/24", address])
    assert converge(echo.project, "stage") == ["Site"]
    assert page(echo, **claims).headers["x-seen"] == "https 443 203.0.113.9"
    assert page(echo).headers["x-seen"] == f"http 80 {address}"
    echo.project.edit("stage", allowed_addresses=["203.0.113.9"])
    assert converge(echo.project, "stage") == ["Site"]
    assert page(echo, **claims).status == 200
    assert page(echo, X_Forwarded_For="203.0.113.10").status == page(echo).status == 403


# What libraries read beside the headers that nginx sets itself.
OTHER_CLAIMS = ("X_Client_IP", "Client_IP", "X_Original_URL", "True_Client_IP", "CF_Connecting_IP", "Remote_User")


def test_a_stranger_claims_nothing_in_other_headers(echo: Host) -> None:
    """The control is a header of an ordinary name, which comes through, and the proxy whose word counts."""
    claims = dict.fromkeys(OTHER_CLAIMS, "203.0.113.9")
    assert page(echo, **claims, Client_Hint="a").headers["x-claims"] == "client-hint"
    echo.project.edit("stage", trusted_proxies=[str(echo.machine.slot.gateway)])
    assert converge(echo.project, "stage") == ["Site"]
    assert page(echo, **claims).headers["x-claims"] == "cf-connecting-ip,remote-user,true-client-ip"


def login(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def page(host: Host, **headers: str) -> Answer:
    return get(host.machine.address, STAGE, "/", tls=False, **headers)


def own_address(host: Host) -> str:
    """What the machine sees us as."""
    with socket.create_connection((host.machine.address, 80)) as connection:
        return str(connection.getsockname()[0])


def test_basic_auth(echo: Host) -> None:
    echo.project.set_secrets("stage", basic_auth_password=PASSWORD)
    echo.project.edit("stage", basic_auth_user="team")
    assert converge(echo.project, "stage") == ["Site: password file", "Site"]
    assert echo.machine.run(f"stat -c '%U %G %a' {HTPASSWD}").stdout == "root www-data 640\n"
    refused = page(echo)
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="billing_stage"'
    for headers in (login("team", PASSWORD[:-1]), login("team", ""), login("Team", PASSWORD), login("root", PASSWORD)):
        assert page(echo, **headers).status == 401
    # The application answers, and sees nothing of it.
    assert page(echo, **login("team", PASSWORD)).text == "authorization= upgrade="


@pytest.mark.everything
def test_a_changed_password_counts_at_once(stage: Host) -> None:
    stage.project.edit("stage", basic_auth_user="team")
    stage.project.apply().require_success()
    stage.project.set_secrets("stage", basic_auth_password="another horse")
    assert converge(stage.project, "stage") == ["Site: password file"]
    assert page(stage, **login("team", PASSWORD)).status == 401
    assert page(stage, **login("team", "another horse")).status == 502
    stage.project.set_secrets("stage", basic_auth_password=PASSWORD)


@pytest.mark.everything
def test_no_output_shows_the_password_or_its_hash(stage: Host) -> None:
    stage.project.set_secrets("stage", basic_auth_password="unheard-of-horse")
    stage.project.edit("stage", basic_auth_user="team")
    planned = stage.project.pyinfra("deploy.py", "--dry", "--diff", "-vvv", "--debug").require_success().output
    output = planned + stage.project.apply("--diff", "-vvv", "--debug").require_success().output
    assert f"Will change {HTPASSWD}: it is not there (contents are not shown)" in output.replace("\x1b[1m", "").replace(
        "\x1b[0m", ""
    )
    hashed = stage.machine.run(f"cat {HTPASSWD}").stdout.strip().partition(":")[2]
    assert hashed.startswith("$2b$05$")
    for secret in ("unheard-of-horse", hashed, hashed[-31:]):
        assert secret not in output
    stage.project.set_secrets("stage", basic_auth_password=PASSWORD)


@pytest.mark.everything
def test_basic_auth_off(sites: Host) -> None:
    sites.project.edit("stage", basic_auth_user="team")
    sites.project.apply().require_success()
    sites.project.edit("stage", basic_auth_user=None)
    assert converge(sites.project, "stage") == ["Site", "Site: no password file"]
    assert sites.machine.run(f"ls {HTPASSWD}", check=False).returncode == 2
    assert page(sites).status == 502


def test_a_run_interrupted_before_the_password_file_is_gone(sites: Host) -> None:
    sites.machine.run(f"touch {HTPASSWD}")
    assert converge(sites.project, "stage") == ["Site: no password file"]


@pytest.mark.everything
def test_a_user_without_password_is_refused_before_anything_changes(host: Host) -> None:
    before = host.machine.run("cd /etc/nginx && find . -type f | sort | xargs sha256sum").stdout
    host.project.edit("prod", basic_auth_user="team", additional_domains=["www.billing.example.com"])
    for arguments in (["--dry"], ["--yes"]):
        run = host.project.pyinfra("deploy.py", *arguments)
        assert run.exit_code == 1
        assert (
            "basic_auth_user = 'team' needs basic_auth_password in .sandbox/vault/prod.age: `make vault-init ENV=prod`"
            in run.output
        )
        assert "Traceback" not in run.output
    assert host.machine.run("cd /etc/nginx && find . -type f | sort | xargs sha256sum").stdout == before
    made = host.project.run(sys.executable, "-m", "commands.vault_init", "prod").require_success()
    assert "made basic_auth_password" in made.output
    assert host.project.planned()["Site: password file"] == ["prod"]
    host.project.edit("prod", basic_auth_user=None, additional_domains=None)
    assert host.project.planned() == {}


def test_only_allowed_addresses(stage: Host) -> None:
    stage.project.edit("stage", allowed_addresses=ELSEWHERE)
    assert converge(stage.project, "stage") == ["Site"]
    for path in ("/", "/health", "/502.html", "/../502.html", "//"):
        answer = get(stage.machine.address, STAGE, path)
        assert answer.status in (400, 403, 404)
        assert "Back in a moment" not in answer.text
    stage.project.edit("stage", allowed_addresses=[*ELSEWHERE, own_address(stage)])
    assert converge(stage.project, "stage") == ["Site"]
    assert page(stage).status == 502
    assert "Back in a moment" in page(stage).text


@pytest.mark.parametrize("allowed", [False, True], ids=["elsewhere", "here"])
def test_address_and_password_are_both_required(echo: Host, allowed: bool) -> None:
    addresses = [*ELSEWHERE, own_address(echo)] if allowed else ELSEWHERE
    echo.project.edit("stage", basic_auth_user="team", allowed_addresses=addresses)
    echo.project.apply().require_success()
    assert page(echo).status == (401 if allowed else 403)
    assert page(echo, **login("team", PASSWORD)).status == (200 if allowed else 403)


def test_the_page_while_no_release_answers_is_behind_the_password_too(stage: Host) -> None:
    stage.project.edit("stage", basic_auth_user="team")
    stage.project.apply().require_success()
    assert "Back in a moment" not in page(stage).text
    answer = page(stage, **login("team", PASSWORD))
    assert answer.status == 502
    assert "Back in a moment" in answer.text


def websocket(host: Host, **headers: str) -> str:
    """The answer to the handshake of RFC 6455 1.3."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    with socket.create_connection((host.machine.address, 80), timeout=20) as connection:
        connection.sendall(
            f"GET /live/websocket HTTP/1.1\r\nHost: {STAGE}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"{''.join(lines)}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        return connection.recv(4096).decode().partition("\r\n")[0]


def test_websockets(stage: Host, running: Host) -> None:
    stage.project.edit("stage", basic_auth_user="team")
    stage.project.apply().require_success()
    assert websocket(stage) == "HTTP/1.1 401 Unauthorized"
    assert websocket(stage, **login("team", PASSWORD)) == "HTTP/1.1 101 Switching Protocols"
    assert releases.page(running.machine, "stage", **login("team", PASSWORD)).status == 200
