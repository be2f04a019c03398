"""Runs Python commands as forks of a process that has imported pyinfra: a start takes a tenth of the processor's time.

Commands that a test signals, and commands that
make starts, are processes as a user starts them.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

CHECKOUT = Path(__file__).parents[1]
SERVER = Path(__file__).with_name("fork_server.py")

# Beginnings of the variables that the libraries read at their start.
_AT_START = ("PYINFRA_", "GEVENT", "NO_COLOR")


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes = b"",
    stderr: int = subprocess.STDOUT,
    modules: tuple[str, ...] = (),
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end, without a terminal.

    `python -m MODULE …` and `python -c CODE …`, also after `env NAME=VALUE …`, are forked. Others are started.

    + cwd: its directory
    + env: its variables
    + stdin: its standard input
    + stderr: STDOUT, or PIPE to have it apart
    + modules: of this checkout, imported before the fork; none for a command in a copy of it
    """
    rest, variables = _without_env(command, env)
    if (
        rest[0] not in (sys.executable, ".venv/bin/python")
        or rest[1] not in ("-m", "-c")
        or _at_start(variables) != _at_start(os.environ)
    ):
        return subprocess.run(
            command, cwd=cwd, env=env, input=stdin, stdout=subprocess.PIPE, stderr=stderr, check=False
        )
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        given.write(stdin)
        given.seek(0)
        files = [given, said, said if stderr == subprocess.STDOUT else complained]
        code = _ask({"command": rest[1:], "cwd": str(cwd), "env": variables}, files, modules)
        output, errors = _content(said), _content(complained)
    return subprocess.CompletedProcess(command, code, output, None if stderr == subprocess.STDOUT else errors)


def _without_env(command: Sequence[str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command without `env NAME=VALUE …`, and all its variables."""
    rest, variables = list(command), dict(env)
    if rest[0] == "env":
        while "=" in rest[1]:
            name, _, value = rest.pop(1).partition("=")
            variables[name] = value
        del rest[0]
    return rest, variables


def _at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name.startswith(_AT_START)}


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _ask(order: dict[str, Any], files: Sequence[IO[bytes]], modules: tuple[str, ...]) -> int:
    """Have the parent fork, and return the exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(_parent(modules))
        socket.send_fds(connection, [b"."], [file.fileno() for file in files])
        connection.sendall(json.dumps(order).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.makefile().read())


@cache
def _parent(modules: tuple[str, ...]) -> str:
    """The socket of the process that forks; it ends with this one."""
    directory = tempfile.mkdtemp()
    path = f"{directory}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        command = [sys.executable, str(SERVER), str(listener.fileno()), *modules]
        process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])
    atexit.register(shutil.rmtree, directory)
    atexit.register(process.terminate)
    return path
