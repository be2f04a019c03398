"""Logs in to PostgreSQL as Postgrex does: SCRAM-SHA-256 over the password's bytes as they are, without SASLprep.

A program of its own, so that it can run inside a machine's network: `raw_scram.py USER DATABASE`, the password on
standard input. Exits with 0 when the server said yes and proved that it knows the password too.
"""

import base64
import hashlib
import hmac
import os
import socket
import struct
import sys
from typing import Protocol

ERROR, AUTHENTICATION, PASSWORD = b"E", b"R", b"p"
OK, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12


class RefusedError(Exception):
    """The server's own words."""


class Stream(Protocol):
    """A connection without a buffer."""

    def read(self, size: int, /) -> bytes | None: ...
    def write(self, data: bytes, /) -> int | None: ...


def log_in(stream: Stream, user: str, database: str, password: bytes) -> None:
    startup = struct.pack("!i", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
    stream.write(struct.pack("!i", len(startup) + 4) + startup)
    expect(stream, SASL)

    first = b"n=,r=" + base64.b64encode(os.urandom(18))
    send(stream, b"SCRAM-SHA-256\0" + struct.pack("!i", len(first) + 3) + b"n,," + first)
    challenge = expect(stream, SASL_CONTINUE)

    fields = dict(part.split(b"=", 1) for part in challenge.split(b","))
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(fields[b"s"]), int(fields[b"i"]))
    final = b"c=biws,r=" + fields[b"r"]
    signed = b",".join([first, challenge, final])
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    send(stream, final + b",p=" + base64.b64encode(proof))

    server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")
    if expect(stream, SASL_FINAL) != b"v=" + base64.b64encode(server):
        raise RefusedError("the server does not know the password")
    expect(stream, OK)


def send(stream: Stream, body: bytes) -> None:
    stream.write(PASSWORD + struct.pack("!i", len(body) + 4) + body)


def expect(stream: Stream, code: int) -> bytes:
    kind, length = struct.unpack("!ci", read(stream, 5))
    body = read(stream, length - 4)
    if kind != AUTHENTICATION or struct.unpack("!i", body[:4]) != (code,):
        raise RefusedError(body.decode(errors="replace"))
    return body[4:]


def read(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = stream.read(size - len(data))
        if not part:
            raise RefusedError("the server closed the connection")
        data += part
    return data


if __name__ == "__main__":
    with (
        socket.create_connection(("127.0.0.1", 5432), timeout=10) as connection,
        connection.makefile("rwb", buffering=0) as stream,
    ):
        log_in(stream, sys.argv[1], sys.argv[2], sys.stdin.buffer.read())
