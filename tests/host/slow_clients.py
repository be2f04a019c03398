"""Slow clients of nginx on this machine's loopback, each address with as many connections.

Runs in the network namespace of a machine: every address of 127.0.0.0/8 is another client there.

Arguments: what is slow ("header", "body" or "response"), port, server name, connections of each address, addresses. Prints
how many are open, and holds them until its standard input ends. Then it prints how many nginx has ended by then, and the
statuses of those that got an answer.
"""

import contextlib
import json
import resource
import select
import socket
import sys
from collections import Counter

OPENING = {
    "header": "GET / HTTP/1.1\r\nHost: {name}\r\nX-Slow:",
    "body": "POST / HTTP/1.1\r\nHost: {name}\r\nContent-Length: 1000\r\n\r\nx",
    "response": "GET / HTTP/1.1\r\nHost: {name}\r\n\r\n",
}


def main(kind: str, port: str, name: str, each: str, *addresses: str) -> None:
    """Open, wait, look."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [connect(kind, int(port), name, address) for address in addresses for _ in range(int(each))]
    print(len(held), flush=True)
    sys.stdin.read()
    ended, statuses = 0, Counter[str]()
    readable = set(select_readable(held))
    for connection in held:
        if connection not in readable:
            continue
        words = b""
        try:
            while words.count(b"\n") < 1 and (more := connection.recv(4096)):
                words += more
        except ConnectionResetError:
            more = b""
        ended += not more
        if words:
            statuses[words.split()[1].decode()] += 1
    print(json.dumps([ended, statuses]), flush=True)


def connect(kind: str, port: int, name: str, source: str) -> socket.socket:
    """A connection whose request, or whose reader, stands still."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    connection = socket.socket(family)
    if kind == "response":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(20)
    connection.bind((source, 0))
    with contextlib.suppress(ConnectionResetError):
        connection.connect(("::1" if ":" in source else "127.0.0.1", port))
        connection.sendall(OPENING[kind].format(name=name).encode())
    return connection


def select_readable(connections: list[socket.socket]) -> list[socket.socket]:
    """Those with something to read, or an end."""
    poll = select.poll()
    by_number = {connection.fileno(): connection for connection in connections}
    for number in by_number:
        poll.register(number, select.POLLIN | select.POLLHUP | select.POLLERR)
    return [by_number[number] for number, _ in poll.poll(1000)]


if __name__ == "__main__":
    main(*sys.argv[1:])
