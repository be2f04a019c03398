"""Talking to a running environment: `python -m commands.remote ping|console|rpc|logs ENV ...`, over OpenSSH.

    ping [ENV ...]        whether the node answers
    console ENV           a shell in the running node, for a terminal
    rpc ENV ELIXIR        runs an expression in the running node; its text is on the host's process list meanwhile
    logs ENV [--since TIME | --lines N] [--no-follow]
                          the journal of the application, and of what switches its releases

Exit code of ping 0: all nodes answer, 1: one does not, or it cannot be told. Of the others that of the command on the
host, or 1 with the reason on standard error.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError
from typing_extensions import override

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from inspection.probe import in_release
from operations.host.ssh import ssh
from preflight import interruption
from preflight.inventory import read_inventory
from preflight.selection import select

# What ssh itself ends with when it could not connect (ssh(1)).
_NOT_CONNECTED = 255


class _Parser(argparse.ArgumentParser):
    @override
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do it, and return the exit code; console, rpc and logs become ssh instead.

    + arguments: the command line without the program, by default the process's own
    """
    options = _parser().parse_args(arguments)
    names = options.environments if options.action == "ping" else [options.environment]
    if options.action == "console" and not sys.stdin.isatty():
        # The shell runs in the node, and the end of its input would be the end of the node (seen with OTP 27).
        print(f"a console needs a terminal: make rpc ENV={names[0]} EXPR='…' runs one expression", file=sys.stderr)
        return 1
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(names, inventory, environments)
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    if options.action == "ping":
        return _ping([(host, environments[host.name]) for host in hosts])
    host, environment = hosts[0], environments[hosts[0].name]
    if options.action == "console":
        command = ssh(host, in_release(environment, environment.tool.console), terminal=True)
    elif options.action == "rpc":
        command = ssh(host, in_release(environment, environment.tool.rpc, options.expression))
    else:
        command = ssh(host, _journal(environment, options))
    # A process in between would have to pass on signals and the size of the terminal.
    return os.execvp("ssh", command)  # noqa: S606


def _parser() -> _Parser:
    parser = _Parser(prog="python -m commands.remote", description="Talk to a running environment.")
    actions = parser.add_subparsers(dest="action", required=True)
    ping = actions.add_parser("ping", help="whether the node answers")
    ping.add_argument("environments", nargs="*", metavar="ENV", help="default: every environment")
    for name, text in {
        "console": "a shell in the running node",
        "rpc": "run Elixir there",
        "logs": "the journal",
    }.items():
        actions.add_parser(name, help=text).add_argument("environment", metavar="ENV")
    actions.choices["rpc"].add_argument("expression", metavar="ELIXIR")
    logs = actions.choices["logs"]
    begin = logs.add_mutually_exclusive_group()
    begin.add_argument("--since", metavar="TIME", help="all of it from then on; as journalctl takes it, e.g. -1h")
    begin.add_argument("--lines", type=int, default=100, metavar="N", help="the last of it; default 100")
    logs.add_argument("--no-follow", action="store_true", help="end after what there is")
    return parser


def _ping(targets: Sequence[tuple[Host, Environment]]) -> int:
    """Ask all at once, and tell in the inventory's order."""
    with ThreadPoolExecutor() as pool:
        troubles = list(pool.map(lambda target: _silence(*target), targets))
    for (_, environment), trouble in zip(targets, troubles, strict=True):
        if trouble:
            print(f"{environment.environment}: {trouble}", file=sys.stderr)
        else:
            print(f"{environment.environment}: {environment.node} answers")
    return int(any(troubles))


def _silence(host: Host, environment: Environment) -> str | None:
    """Why the node gives no answer, or none."""
    run = subprocess.run(
        ssh(host, in_release(environment, *environment.tool.ping)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode == 0:
        return None
    if run.returncode == _NOT_CONNECTED or "there is no release yet" in run.stderr:
        return run.stderr.strip()
    name = environment.environment
    return f"{environment.node} does not answer: make status ENV={name} and make logs ENV={name} tell more"


def _journal(environment: Environment, options: argparse.Namespace) -> list[str]:
    units = [f"--unit={unit}" for unit in (environment.unit, environment.switch_unit)]
    # --follow alone shows ten lines.
    begin = [f"--since={options.since}", "--no-tail"] if options.since else [f"--lines={options.lines}"]
    follow = [] if options.no_follow else ["--follow"]
    return ["sudo", "-n", "journalctl", "--quiet", "--no-hostname", *begin, *follow, *units]


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
