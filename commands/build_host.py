"""Which host of the inventory builds an environment: `python -m commands.build_host stage` prints its name.

Exit code 0: printed. 1: it cannot be told, and standard error says why.
"""

import sys
from collections.abc import Sequence

from pyinfra.api.exceptions import PyinfraError

from commands.selection import Parser
from group_data.schema.inventory import read_environments
from preflight.inventory import read_inventory
from preflight.selection import select


def main(arguments: Sequence[str] | None = None) -> int:
    """Print, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    options = Parser(
        "python -m commands.build_host", "Print the host that builds an environment.", json=False
    ).parse_args(arguments)
    try:
        inventory = read_inventory()
        environments = read_environments(inventory)
        for host in select(options.environments, inventory, environments):
            print(environments[host.name].build_host or host.name)
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
