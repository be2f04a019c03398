"""Break the lock of machines: `python -m commands.unlock ENV ... [--show]`. A release at work there is told to go back.

Exit code 0: the lock is free; with --show also: it was not held. 2: with --show, it is held. 1: it could not be told.
"""

import sys
from collections.abc import Sequence

from pyinfra.api import Host
from pyinfra.api.exceptions import PyinfraError

from commands.selection import Parser
from group_data.schema.inventory import environments_on, machine_of, read_environments
from inspection.ask import address, ask, fact
from operations.host.lock import Holder, breaking
from preflight import interruption
from preflight.inventory import read_inventory
from preflight.selection import select


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask, break, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser(
        "python -m commands.unlock", "Break the lock of the machines these environments are on.", json=False
    )
    parser.add_argument("--show", action="store_true", help="only say who holds it")
    options = parser.parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        hosts = select(options.environments, inventory, environments)
        one_of_each = list({machine_of(host): host for host in reversed(hosts)}.values())

        def question(host: Host) -> str | None:
            holder = fact(host, Holder)
            if holder and not options.show:
                neighbours = environments_on(machine_of(host), inventory, environments)
                units = [environment.switch_unit for environment in neighbours]
                host.run_shell_command(breaking(units), _sudo=True)
            return holder

        answers = ask(inventory, one_of_each, question)
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    code = 0
    for host in one_of_each:
        answer = answers[host.name]
        if isinstance(answer, PyinfraError):
            print(f"{address(host)}: {answer}", file=sys.stderr)
            return 1
        if answer and options.show:
            code = 2
        print(f"{address(host)}: {_said(answer, broken=not options.show)}")
    return code


def _said(holder: str | None, *, broken: bool) -> str:
    if not holder:
        return "the lock is free"
    return f"the lock was held by {holder}; it is broken" if broken else f"the lock is held by {holder}"


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
