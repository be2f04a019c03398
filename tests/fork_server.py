"""The process behind tests/forks.py: it has imported pyinfra, and forks for each order that comes over a socket.

An order is JSON with command, cwd and env, and comes with the files for standard input, output and error. The answer is the
exit code. The process ends when its standard input does: with the tests, however these end.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

# First, because it patches Python's modules for gevent.
import pyinfra_cli.main  # noqa: F401  isort: skip

import gevent
import paramiko  # noqa: F401
import pydantic  # noqa: F401
import pyrage  # type: ignore[import-untyped]  # noqa: F401
from gevent.monkey import get_original

# Python's own: gevent's would start its loop here, and each fork would have a copy of it.
fork, waitpid = get_original("os", "fork"), get_original("os", "waitpid")
select = get_original("select", "select")
Socket = get_original("socket", "socket")


def wait_for_order(listener: int) -> dict[str, Any]:
    """Fork for each order. Returns the order in the process that must carry it out."""
    door = Socket(fileno=listener)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select([sys.stdin, door], [], [])
        if sys.stdin in ready:
            sys.exit()
        connection, _ = door.accept()
        if fork() == 0:
            break
        connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    door.close()
    _, files, *_ = socket.recv_fds(connection, 1, 3)
    order: dict[str, Any] = json.loads(connection.makefile().read())
    process = fork()
    if process:
        _, status = waitpid(process, 0)
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    return order


def carry_out(order: dict[str, Any]) -> None:
    """Run the command as the main program of this process, in a session of its own, without a terminal."""
    gevent.reinit()
    os.setsid()
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    kind, program, *arguments = order["command"]
    sys.argv = [kind, *arguments]
    if kind == "-m":
        sys.path[0] = order["cwd"]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = ""
        exec(program, {"__name__": "__main__"})  # noqa: S102  as `python -c` does


if __name__ == "__main__":
    for module in sys.argv[2:]:
        importlib.import_module(module)
    # The collector would write to every object, so that each fork would get copies of them.
    gc.freeze()
    carry_out(wait_for_order(int(sys.argv[1])))
