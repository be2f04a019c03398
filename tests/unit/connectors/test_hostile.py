"""A host that means harm: no word of it steers a terminal, and no answer takes this computer's memory or time."""

import json
import subprocess
import sys
from typing import Any

import pytest

from group_data.schema.paths import CHECKOUT

# A client and a server in gevent's world, as in pyinfra. Arguments: the words of the server, and how often it says them;
# whether a fact is asked for, and whether a look answers it. Its memory has a limit.
CONVERSATION = r"""
import json, resource, sys, threading, time
from gevent import monkey
monkey.patch_all()
import gevent, paramiko, socket
from pathlib import Path
from pyinfra.api import Config, Inventory, State, StringCommand
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_host, ctx_state
from pyinfra.facts.server import Hostname
from connectors import client, exchange, frame, snapshot

words, times, pause, fact, look, directory = json.loads(sys.argv[1])
MARK = f"{frame.MARK}\n".encode()
snapshot.LOOK_PATIENCE = snapshot.FACT_PATIENCE = 3
snapshot.SnapshotConnector._memory = Path(directory) / "memory"
command = exchange.Command("", "sh -c 'uname -n'")
snapshot.SnapshotConnector._remembered = {"Prepare": [command]} if look else {}
listener = socket.create_server(("127.0.0.1", 0))
key = paramiko.ECDSAKey.generate()

class Server(paramiko.ServerInterface):
    def get_allowed_auths(self, username): return "password"
    def check_auth_password(self, username, password): return paramiko.AUTH_SUCCESSFUL
    def check_channel_request(self, kind, channel): return paramiko.OPEN_SUCCEEDED
    def check_channel_exec_request(self, channel, command):
        gevent.spawn_later(0.05, answer, channel, command)
        return True

def answer(channel, command):
    try:
        if command == b"sh -s":
            while channel.recv(65536): pass
            channel.sendall(MARK)
        elif MARK.strip() in command:
            channel.sendall(MARK)
            channel.sendall_stderr(MARK)
        for _ in range(times if command != b"sh -s" or look == "words" else 0):
            channel.sendall(words.encode("latin-1"))
            channel.sendall_stderr(words.encode("latin-1"))
            gevent.sleep(pause)
        channel.send_exit_status(0)
        channel.close()
    except OSError:
        return

def serve():
    while True:
        sock, _ = listener.accept()
        transport = paramiko.Transport(sock)
        transport.add_server_key(key)
        transport.start_server(event=gevent.event.Event(), server=Server())

gevent.spawn(serve)
known = Path(directory) / "known_hosts"
port = listener.getsockname()[1]
known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
data = {"ssh_port": port, "ssh_user": "me", "ssh_password": "any", "ssh_known_hosts_file": str(known),
        "ssh_config_file": "/dev/null"}
state = State(Inventory(([("@snapshot/127.0.0.1", data)], {})), Config())
state.set_stage(StateStage.Prepare)
[host] = state.inventory
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ctx_state.use(state), ctx_host.use(host):
    host.connect(show_errors=False, raise_exceptions=True)
    if fact:
        try: said = [True, host.get_fact(Hostname) or ""]
        except Exception as error: said = [False, type(error).__name__]
    else:
        done, output = host.run_shell_command(StringCommand("anything"))
        said = [done, output.output[-300:]]
mebibytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
print(json.dumps([*said, mebibytes]), flush=True)
import os
os._exit(0)
"""


def talk(directory: Any, words: str, times: int = 1, pause: float = 0, fact: bool = False, look: str = "") -> list[Any]:
    """Whether the command succeeded, what it said, and the MiB it took."""
    arguments = json.dumps([words, times, pause, fact, look, str(directory)])
    run = subprocess.run(
        [sys.executable, "-c", CONVERSATION, arguments],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    said: list[Any] = json.loads(run.stdout)
    return said


@pytest.mark.parametrize("look", ["", "silent", "words"])
def test_words_steer_no_terminal_before_and_after_a_look(tmp_path: Any, look: str) -> None:
    done, said, _ = talk(tmp_path, "a\x1b]52;c;bGF0ZXI=\x07\xc2\x9b31m\xe2\x80\xae\xff\rb\n", fact=True, look=look)
    assert (done, said) == (True, "a?]52;c;bGF0ZXI=??31m?\ufffd?b")


@pytest.mark.parametrize("words", ["x" * 32768, "\n" * 32768])
def test_an_endless_answer_ends_with_the_reason(tmp_path: Any, words: str) -> None:
    done, said, mebibytes = talk(tmp_path, words, times=1_000_000)
    assert not done
    assert said.endswith("that is no answer")
    assert mebibytes < 300


def test_a_fact_that_trickles_is_not_waited_for(tmp_path: Any) -> None:
    assert talk(tmp_path, "x\n", times=1_000_000, pause=0.2, fact=True, look="words")[0] is False
