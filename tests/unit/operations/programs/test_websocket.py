"""websocket.sh: names whose pages may open no websocket, with a real curl and a server that decides as Phoenix does."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from group_data.schema.environment import Environment
from inspection.websocket import finding
from tests.unit.operations.programs.sandboxed import Sandbox
from tests.unit.operations.programs.stubs import StubHost

NAMES = ("example.com", "www.example.com", "example.org")


class Socket(BaseHTTPRequestHandler):
    """The endpoint of an application: `check_origin`, or None for one that does without LiveView."""

    protocol_version = "HTTP/1.1"
    check_origin: tuple[str, ...] | None = None
    wants_login = False
    asked: tuple[dict[str, str], ...] = ()

    def do_GET(self) -> None:
        Socket.asked += (dict(self.headers.items()) | {"path": self.path},)
        origin = self.headers.get("Origin")
        if self.check_origin is None:
            self.answer(404)
        elif self.wants_login or (origin and origin not in self.check_origin):
            self.answer(403)
        else:
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            # A websocket stays open until somebody closes it.
            self.rfile.read(1)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that answers as `Socket` says."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Socket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def ask(sandbox: Sandbox, port: int, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Tries a websocket for all names, of an endpoint with this check_origin."""

    def run(*check_origin: str, scheme: str = "https") -> list[str]:
        monkeypatch.setattr(Socket, "check_origin", check_origin)
        monkeypatch.setattr(Socket, "asked", ())
        done = sandbox.run("origins_refused.sh", scheme, str(port), *NAMES)
        assert (done.returncode, done.stderr) == (0, "")
        return sorted(done.stdout.splitlines())

    return run


def test_the_names_that_check_origin_lacks(ask: Callable[..., list[str]]) -> None:
    assert ask("https://example.com") == ["example.org", "www.example.com"]


def test_all_names_are_listed(ask: Callable[..., list[str]]) -> None:
    assert ask(*[f"https://{name}" for name in NAMES]) == []


def test_the_scheme_counts(ask: Callable[..., list[str]]) -> None:
    assert ask(*[f"http://{name}" for name in NAMES], scheme="http") == []
    assert ask(*[f"http://{name}" for name in NAMES], scheme="https") == sorted(NAMES)


def test_a_socket_that_wants_a_login_is_none_of_our_business(
    ask: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Socket, "wants_login", True)
    assert ask() == []


def test_the_request_is_that_of_a_browser(ask: Callable[..., list[str]]) -> None:
    ask()
    first = next(request for request in Socket.asked if request.get("Origin") == "https://www.example.com")
    assert first["path"] == "/live/websocket?vsn=2.0.0"
    assert (first["Host"].partition(":")[0], first["X-Forwarded-Proto"]) == ("www.example.com", "https")
    assert (first["Upgrade"], first["Connection"], first["Sec-WebSocket-Version"]) == ("websocket", "Upgrade", "13")


def test_an_application_without_live_view(sandbox: Sandbox, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Socket, "check_origin", None)
    monkeypatch.setattr(Socket, "asked", ())
    assert sandbox.run("origins_refused.sh", "https", str(port), *NAMES).stdout == ""
    assert len(Socket.asked) == len(NAMES)


def test_nobody_answers(sandbox: Sandbox) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Socket) as server:
        free = server.server_address[1]
    assert sandbox.run("origins_refused.sh", "http", str(free), "example.com").stdout == ""


# Answers to a handshake with the origin of the second name: 403 to a browser's, which has an origin.
REFUSING = """\
case "$*" in
    *Origin*https://www.example.com*) printf 403 ;;
    *live/websocket*) printf 101 ;;
    *) printf 200 ;;
esac
"""


def test_a_release_names_them_and_is_good(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(tls="self_signed", additional_domains=["www.example.com"])
    host.stub("curl", REFUSING)
    words = host.run("release", "0.2.0").splitlines()
    assert [line for line in words if "ATTENTION" in line] == [
        "ATTENTION: the application refuses websockets from www.example.com: pages load there, and LiveView does not work. "
        "List the name in check_origin of the endpoint"
    ]
    assert words[-1] == "release 0.2.0: done"
    asked = [call for call in host.calls if "live/websocket" in call]
    assert all("--connect-to ::127.0.0.1:443 " in call for call in asked)
    assert {call.split()[-1] for call in asked} == {
        "https://stage.example.com/live/websocket?vsn=2.0.0", "https://www.example.com/live/websocket?vsn=2.0.0",
    }  # fmt: skip


@pytest.mark.parametrize("restricted", [{"basic_auth_user": "team"}, {"allowed_addresses": ["192.0.2.0/24"]}])
def test_on_a_restricted_site_the_application_itself_is_asked(
    stub_host: Callable[..., StubHost], restricted: dict[str, object]
) -> None:
    host = stub_host(tls="self_signed", additional_domains=["www.example.com"], **restricted)
    host.stub("curl", REFUSING)
    assert "refuses websockets from www.example.com" in host.run("release", "0.2.0")
    asked = [call for call in host.calls if "live/websocket" in call]
    assert all("--connect-to ::127.0.0.1:4001 " in call for call in asked)
    assert all(call.split()[-1].startswith("http://") for call in asked)


def test_doctor_names_the_endpoint(environment: Callable[..., Environment]) -> None:
    told = finding(environment(endpoint_module="Shop.Endpoint"), ["example.org", "www.example.com"])
    assert told.what == "the application refuses websockets from example.org, www.example.com"
    assert "check_origin of Shop.Endpoint" in told.mend
