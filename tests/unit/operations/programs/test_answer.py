"""answer.sh: which answers of the health page count, asked of a real curl and a server that says what the test wants."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from inspection.probe import Answer, HealthAnswer
from tests.unit.operations.programs.sandboxed import Sandbox

# The site of the tests. The server's port takes the place of {port}.
SITE = "http://stage.example.com:{port}"

# By status and Location: the verdict.
VERDICTS = {
    (200, ""): "well",
    (204, ""): "well",
    (299, ""): "well",
    (301, "/users/log_in"): "well",
    (302, "users/log_in?next=%2F"): "well",
    (303, f"{SITE}/de"): "well",
    (307, "//stage.example.com:{port}/de"): "well",
    (308, "HTTP://STAGE.EXAMPLE.COM:{port}/de"): "well",
    (302, "/?step=2"): "well",
    (302, "/"): "refusal",
    (302, f"{SITE}/#top"): "refusal",
    (302, ""): "refusal",
    (301, "https://stage.example.com:{port}/"): "refusal",
    (301, "http://stage.example.com/"): "refusal",
    (301, "https://stage.example.com/"): "refusal",
    (302, "https://login.example.org/authorize"): "refusal",
    (302, "//login.example.org/"): "refusal",
    (302, "http://stage.example.com:{port}@evil.example.org/"): "refusal",
    (302, "http://stage.example.com:{port}.evil.example.org/"): "refusal",
    (300, "/other"): "refusal",
    (304, ""): "refusal",
    (400, ""): "refusal",
    (401, ""): "refusal",
    (404, ""): "refusal",
    (408, ""): "waiting",
    (425, ""): "waiting",
    (429, ""): "waiting",
    (500, ""): "waiting",
    (502, ""): "waiting",
    (503, ""): "waiting",
}


class Page(BaseHTTPRequestHandler):
    """Answers every request as `status` and `location` say."""

    status = 200
    location = ""

    def do_GET(self) -> None:
        self.send_response(self.status)
        if self.location:
            self.send_header("Location", self.location.format(port=self.headers["Host"].rpartition(":")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that answers as `Page` says."""
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def ask(sandbox: Sandbox) -> Callable[..., list[str]]:
    """Runs ask_health.sh for the page / of a port; its output, split at tabs."""

    def run(port: int, path: str = "/") -> list[str]:
        done = sandbox.run("ask_health.sh", "stage.example.com", str(port), SITE.format(port=port), path)
        assert done.returncode == 0, done.stderr
        return done.stdout.removesuffix("\n").split("\t")

    return run


@pytest.mark.parametrize(("status", "location"), VERDICTS)
def test_a_verdict(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., list[str]], port: int, status: int, location: str
) -> None:
    monkeypatch.setattr(Page, "status", status)
    monkeypatch.setattr(Page, "location", location)
    assert ask(port)[:2] == [VERDICTS[status, location], str(status)]


def test_the_page_that_a_redirect_leads_to_is_told(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., list[str]], port: int
) -> None:
    monkeypatch.setattr(Page, "status", 302)
    monkeypatch.setattr(Page, "location", "log_in")
    assert ask(port, "/users/") == ["well", "302", f"{SITE.format(port=port)}/users/log_in", ""]


@pytest.mark.parametrize("location", ["/a\x1b[31m\tb", "/\x9b31m", "/" + "c" * 500])
def test_a_redirect_is_printed_without_control_characters_and_cut(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., list[str]], port: int, location: str
) -> None:
    monkeypatch.setattr(Page, "status", 302)
    monkeypatch.setattr(Page, "location", location)
    _, status, leads_to, _ = ask(port)
    assert (status, leads_to == "" or leads_to.isprintable()) == ("302", True)
    assert len(leads_to) <= 300


def test_nobody_listens(ask: Callable[..., list[str]]) -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        free = server.server_address[1]
    assert ask(free) == ["waiting", "", "", ""]


def test_curl_is_missing(sandbox: Sandbox) -> None:
    sandbox.environment["PATH"] = str(sandbox.bin)
    (sandbox.bin / "sh").symlink_to("/bin/sh")
    assert sandbox.run("ask_health.sh", "stage.example.com", "80", "http://stage.example.com", "/").stdout == ""


def test_what_to_do_is_told(monkeypatch: pytest.MonkeyPatch, ask: Callable[..., list[str]], port: int) -> None:
    monkeypatch.setattr(Page, "status", 404)
    monkeypatch.setattr(Page, "location", "")
    assert ask(port)[3] == "name a page in health_path that the application has"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("well\t200\t\t", Answer(well=True, status="200")),
        ("well\t302\thttp://a/b\t", Answer(well=True, status="302", leads_to="http://a/b")),
        ("refusal\t404\t\ttry another", Answer(well=False, status="404", advice="try another")),
        ("waiting\t\t\t", Answer(well=False, status="")),
    ],
)
def test_status_and_doctor_read_the_verdict(line: str, answer: Answer) -> None:
    assert HealthAnswer().process([line]) == answer
