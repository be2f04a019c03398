"""The way from visitors to a site: asked by sockets of this computer, and told as findings."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import cast

import pytest
from pyinfra.api import Host

from group_data.schema.environment import Environment
from inspection import outside
from inspection.diagnosis_outside import findings
from inspection.outside import Place


@pytest.fixture
def stage(environment: Callable[..., Environment]) -> Environment:
    return environment(tls="none", domain="stage.example.com")


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """The port of a server on the loopback that gives every connection this answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_the_answer_of_the_site_itself(stage: Environment) -> None:
    mark = stage.site_mark.encode() + b"\n"
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(mark), mark)) as port:
        assert outside._state(stage, "127.0.0.1", port) == "own"


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0" * 100]
)
def test_the_answer_of_another_program(stage: Environment, answer: bytes) -> None:
    with answering(answer) as port:
        assert outside._state(stage, "127.0.0.1", port) == "other"


def test_no_answer(stage: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(outside, "PATIENCE", 0.2)
        assert outside._state(stage, "127.0.0.1", port) == "silent"
    assert outside._state(stage, "127.0.0.1", port) == "refused"


def found(environment: Environment, on_host: dict[str, str], *places: Place) -> list[str]:
    return [finding.what for finding in findings(environment, on_host, places)]


def test_the_site_answers_everywhere(stage: Environment) -> None:
    on_host = {"127.0.0.1": "own", "203.0.113.5": "own", "2001:db8::1": "silent"}
    places = (Place("203.0.113.5", 80, "own"), Place("2001:db8::1", 80, "unknown"))
    assert found(stage, on_host, *places) == []


def test_another_site_at_an_address_of_the_host(stage: Environment) -> None:
    [what] = found(stage, {"127.0.0.1": "own", "203.0.113.5": "other"})
    assert what == "on the host, another site answers for stage.example.com at 203.0.113.5"


def test_a_firewall_before_the_host(stage: Environment) -> None:
    places = (Place("203.0.113.5", 80, "silent"), Place("2001:db8::1", 80, "refused"), Place("203.0.113.6", 80, "own"))
    [what] = found(stage, {"127.0.0.1": "own"}, *places)
    assert what == (
        "from this computer, nothing answers within 5 seconds at 203.0.113.5:80; connections are refused at "
        "[2001:db8::1]:80; on the host itself stage.example.com answers"
    )


def test_a_name_that_leads_elsewhere(stage: Environment) -> None:
    [what] = found(stage, {"127.0.0.1": "own"}, Place("198.51.100.1", 80, "other"))
    assert "something else than this host's nginx answers for stage.example.com at 198.51.100.1:80" in what


def test_what_no_page_of_the_site_says(environment: Callable[..., Environment]) -> None:
    marks = {environment(environment=name).site_mark for name in ("stage", "qa")}
    assert len(marks) == 2
    assert all("stage" not in mark and len(mark) == 32 for mark in marks)


def connected(sock: object) -> Host:
    """A host with this connection."""
    client = SimpleNamespace(get_transport=lambda: SimpleNamespace(sock=sock))
    return cast("Host", SimpleNamespace(connector=SimpleNamespace(client=client)))


def test_without_a_name_the_machine_itself_is_asked(stage: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(outside, "_state", lambda *_: "own")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        pair = socket.socketpair()
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        assert outside.answers_from_here(connected(sock), stage) == [Place("127.0.0.1", 80, "own")]
        # A jump host's end of the connection tells nothing about the machine.
        assert outside.answers_from_here(connected(pair[0]), stage) == []
        for end in pair:
            end.close()


def test_the_addresses_of_the_name_are_asked(
    environment: Callable[..., Environment], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        (2, 1, 6, "", ("203.0.113.5", 0)),
        (2, 2, 17, "", ("203.0.113.5", 0)),
        (10, 1, 6, "", ("2001:db8::1", 0, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(outside, "_state", lambda *_: "own")
    places = outside.answers_from_here(connected(None), environment(tls="self_signed"))
    assert [(place.address, place.port) for place in places] == [
        ("203.0.113.5", 80), ("203.0.113.5", 443), ("2001:db8::1", 80), ("2001:db8::1", 443),
    ]  # fmt: skip
