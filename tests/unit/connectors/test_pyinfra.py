"""The parts of pyinfra and paramiko that connectors/ relies on: a test fails if a new version lacks one."""

import io
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import paramiko
import pytest
from paramiko import Channel, ChannelException, SSHException
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors import util
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_state
from pyinfra.facts.server import Hostname
from pyinfra.operations import files

from connectors import client as clients
from connectors import snapshot, transport
from connectors.client import Client
from connectors.snapshot import SnapshotConnector

TIMEOUT = 10


class ReachedError(Exception):
    """The code under test was called."""


def made(**data: Any) -> tuple[State, Host, SnapshotConnector]:
    """A host with our connector; pyinfra takes it for connected."""
    inventory = Inventory(([("@snapshot/127.0.0.1", data)], {}))
    state = State(inventory, Config())
    host = next(iter(inventory))
    host.connected = True
    assert isinstance(host.connector, SnapshotConnector)
    return state, host, host.connector


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, bool]]:
    """Commands that reach the connector, whether each is marked as a fact, and whether a step asks for it."""
    commands: list[tuple[str, bool, bool]] = []

    def record(connector: SnapshotConnector, command: Any, *_: Any, **__: Any) -> tuple[bool, CommandOutput]:
        commands.append((str(command), snapshot._is_fact.get(), connector.host.in_op))
        return True, CommandOutput([OutputLine("stdout", "")])

    monkeypatch.setattr(SnapshotConnector, "run_shell_command", record)
    return commands


# --- Facts ------------------------------------------------------------------------------------------------------------


def test_facts_of_a_step_are_marked_and_its_commands_are_not(seen: list[tuple[str, bool, bool]]) -> None:
    state, host, _ = made()
    with ctx_state.use(state):
        state.activate_host(host)
        state.set_stage(StateStage.Prepare)
        add_op(state, files.directory, path="/srv/thing")
        prepared = len(seen)
        assert seen[:prepared] != []
        assert {(fact, in_step) for _, fact, in_step in seen} == {(True, True)}
        state.set_stage(StateStage.Execute)
        run_ops(state)
    commands = [(command, fact) for command, fact, _ in seen[prepared:]]
    assert any("mkdir" in command and not fact for command, fact in commands)
    assert all(fact for command, fact in commands if "stat" in command)


def test_a_fact_outside_of_a_step_is_marked_too(seen: list[tuple[str, bool, bool]]) -> None:
    state, host, _ = made()
    with ctx_state.use(state):
        host.get_fact(Hostname)
        host.run_shell_command("true")
    assert [(fact, in_step) for _, fact, in_step in seen] == [(True, False), (False, False)]


def test_a_password_that_was_asked_for_is_kept_under_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _, host, connector = made()
    refused = CommandOutput([OutputLine("stderr", util.SUDO_PASSWORD_REQUIRED_LINES[0])])
    answers = iter([(1, refused), (0, CommandOutput([]))])
    monkeypatch.setattr(util, "getpass", lambda _: "hunter2")
    assert util.execute_command_with_sudo_retry(host, {}, lambda: next(answers))[0] == 0
    assert connector._needs({}) == {"_sudo_password"}


# --- Connections ------------------------------------------------------------------------------------------------------


def test_a_connection_is_made_with_our_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: Any, **__: Any) -> transport.Transport:
        raise ReachedError

    monkeypatch.setattr(clients, "prompt", reached)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        _, _, connector = made(ssh_port=server.getsockname()[1])
        with pytest.raises(ReachedError):
            connector.connect()


class Server(paramiko.ServerInterface):
    """An SSH server that lets everybody in, says "done" to each command, and allows so many sessions."""

    def __init__(self, sessions: int) -> None:
        self.left = sessions

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.left -= 1
        return OPEN_SUCCEEDED if self.left >= 0 else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED

    def check_channel_exec_request(self, channel: Channel, command: bytes) -> bool:
        def answer() -> None:
            channel.sendall(b"done")
            channel.send_exit_status(0)
            channel.close()

        threading.Timer(0.05, answer).start()
        return True


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[paramiko.SSHClient]:
    """A client with our transport, connected to a server with as many sessions as the test asks for."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    server = paramiko.Transport(theirs)
    key = paramiko.ECDSAKey.generate()
    server.add_server_key(key)
    server.start_server(event=threading.Event(), server=Server(request.param))
    with paramiko.SSHClient() as client:
        client.get_host_keys().add("server", key.get_name(), key)
        client.connect(
            "server", username="me", password="any", sock=ours, transport_factory=transport.prompt,  # type: ignore[arg-type]
            look_for_keys=False, allow_agent=False, timeout=TIMEOUT,
        )  # fmt: skip
        yield client
    server.close()


def run(client: paramiko.SSHClient) -> Channel:
    """The session that a command used."""
    _, output, _ = client.exec_command("anything", timeout=TIMEOUT)
    assert output.read() == b"done"
    return output.channel


@pytest.mark.parametrize("client", [3], indirect=True)
def test_a_command_takes_the_session_that_was_opened_ahead(client: paramiko.SSHClient) -> None:
    used = client.get_transport()
    assert isinstance(used, transport.Transport)
    run(client)
    assert used._ahead is not None
    ahead = used._ahead.get()
    assert run(client) is ahead


@pytest.mark.parametrize("client", [1], indirect=True)
def test_a_refused_session_is_told_from_a_broken_connection(client: paramiko.SSHClient) -> None:
    _, _, connector = made()
    connector.client = client  # type: ignore[assignment]
    used = client.get_transport()
    assert isinstance(used, transport.Transport)
    with closing(used.open_session()):
        with pytest.raises(ChannelException) as refused:
            paramiko.Transport.open_session(used)
        assert connector._is_refusal(refused.value)
        assert not connector._is_refusal(SSHException("Timeout opening channel."))


@pytest.mark.parametrize("client", [0], indirect=True)
def test_a_refusal_whose_reason_another_thread_took_is_one_too(
    client: paramiko.SSHClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, connector = made()
    connector.client = client  # type: ignore[assignment]
    used = client.get_transport()
    assert used is not None
    monkeypatch.setattr(used, "get_exception", lambda: None)
    with pytest.raises(SSHException, match=re.escape("Unable to open channel.")) as refused:
        paramiko.Transport.open_session(used)
    assert connector._is_refusal(refused.value)


@pytest.mark.parametrize(("name", "error", "shown"), [("_prefetch_thread", OSError, False), ("other", OSError, True)])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_reads_ahead_ends_in_silence(
    name: str, error: type[Exception], shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """paramiko names its thread for the function that it runs."""
    assert hasattr(paramiko.SFTPFile, "_prefetch_thread")
    told: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    clients.hide_prefetch.__wrapped__()

    def fail() -> None:
        raise error

    fail.__name__ = name
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert bool(told) is shown


def test_a_connection_for_files_is_kept_until_its_cache_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, connector = made()
    connector.client = Client({}, "server")
    monkeypatch.setattr(Client, "get_transport", lambda _: object())
    monkeypatch.setattr("pyinfra.connectors.ssh.SFTPClient.from_transport", lambda _: object())
    first = connector.get_file_transfer_connection()
    assert connector.get_file_transfer_connection() is first
    connector.get_file_transfer_connection.cache.clear()
    assert connector.get_file_transfer_connection() is not first


def test_a_file_without_an_end_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    said = paramiko.SFTPAttributes()
    monkeypatch.setattr(paramiko.SFTPClient, "stat", lambda *_: said)
    monkeypatch.setattr(clients, "FILE_LIMIT", 10)
    session = clients.Files.__new__(clients.Files)
    said.st_size = 11
    with pytest.raises(OSError, match="more than"):
        session.stat("file")
    # A host may say one size, and send more.
    said.st_size = 10
    reader = io.BytesIO(b"x" * 11)
    reader.prefetch = lambda *_: None  # type: ignore[attr-defined]
    monkeypatch.setattr(paramiko.SFTPClient, "open", lambda *_: reader)
    with pytest.raises(OSError, match="more than"):
        session.getfo("file", io.BytesIO())
