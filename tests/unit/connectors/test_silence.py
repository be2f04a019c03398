"""When a silent connection is dead, and that it then ends."""

import json
import subprocess
import sys

from connectors import openssh
from connectors.silence import INTERVAL, LIMIT, Silence, Verdict
from group_data.schema.paths import CHECKOUT

# Seconds from the last word of a host to the end of the command, at most.
ALLOWED = 60

# A client and a server in gevent's world, as in pyinfra. The server falls silent after so many seconds.
CONVERSATION = """
import json, sys, time
from gevent import monkey
monkey.patch_all()
import gevent, paramiko, socket
from connectors import silence, transport
transport.INTERVAL = 1
ours, theirs = socket.socketpair()
server = paramiko.Transport(theirs)
server.add_server_key(paramiko.ECDSAKey.generate())

class Server(paramiko.ServerInterface):
    def get_allowed_auths(self, username): return "password"
    def check_auth_password(self, username, password): return paramiko.AUTH_SUCCESSFUL
    def check_channel_request(self, kind, chanid): return paramiko.OPEN_SUCCEEDED
    def check_channel_exec_request(self, channel, command): return True

server.start_server(event=gevent.event.Event(), server=Server())
client = transport.prompt(ours)
client.start_client(timeout=5)
client.auth_password("me", "any")
channel = client.open_session()
channel.exec_command("works for long, and says nothing")
gevent.sleep(float(sys.argv[1]))
healthy = client.is_active()
server.packetizer.send_message = lambda _: None
silent = time.monotonic()
channel.recv(1)
print(json.dumps([healthy, client.silence is not None, not client.ended, time.monotonic() - silent]))
"""


def test_a_host_that_says_something_is_alive() -> None:
    silence = Silence(0, 0.0)
    assert [silence.look(received, received) for received in range(1, 100)] == [Verdict.WAIT] * 99


def test_a_host_that_answers_questions_alone_is_alive() -> None:
    silence, received = Silence(0, 0.0), 0
    for look in range(100):
        if silence.look(received, look * INTERVAL) is Verdict.ASK:
            received += 50
        else:
            assert received > 0


def test_a_silent_host_is_asked_and_then_given_up() -> None:
    silence = Silence(7, 0.0)
    verdicts = [silence.look(7, look * INTERVAL) for look in range(1, LIMIT + 1)]
    assert verdicts == [Verdict.ASK] * (LIMIT - 1) + [Verdict.DEAD]
    assert silence.lasts(LIMIT * INTERVAL) == LIMIT * INTERVAL


def test_a_word_at_the_last_moment_counts() -> None:
    silence = Silence(0, 0.0)
    for look in range(1, LIMIT):
        silence.look(0, look * INTERVAL)
    assert silence.look(1, LIMIT * INTERVAL) is Verdict.WAIT
    assert silence.look(1, (LIMIT + 1) * INTERVAL) is Verdict.ASK


def test_a_process_that_was_stopped_does_not_give_up() -> None:
    """Nobody was asked meanwhile."""
    silence = Silence(0, 0.0)
    assert silence.look(0, 3600.0) is Verdict.ASK


def test_both_ways_end_in_time() -> None:
    # The host's last word may come right after a look.
    assert (LIMIT + 1) * INTERVAL <= ALLOWED - 10
    limits = dict(option.split("=") for option in openssh.limits()[1::2])
    assert int(limits["ServerAliveInterval"]) * (int(limits["ServerAliveCountMax"]) + 1) <= ALLOWED - 10
    assert int(limits["ConnectTimeout"]) <= ALLOWED - 10


def test_a_connection_lives_as_long_as_it_answers_and_ends_when_it_does_not() -> None:
    run = subprocess.run(
        [sys.executable, "-c", CONVERSATION, str(2 * LIMIT)],
        cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    healthy, given_up, active, seconds = json.loads(run.stdout)
    assert (healthy, given_up, active) == (True, True, False)
    assert seconds < LIMIT + 3
