"""Whether an application's checkout agrees with the group data: `python -m commands.app_check`.

Exit code 0: in step. 2: it differs; each line on standard output names file and line, the setting, the application's value
and the environment's. 1: it could not be told, and standard error says why. No host is needed, and no vault.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pyinfra.api.exceptions import PyinfraError

from checkout.compare import checkout, differences
from commands.selection import Parser, print_json
from preflight import interruption
from preflight.selection import choose


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, show, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = Parser("python -m commands.app_check", "Compare an application's checkout with the group data.")
    parser.add_argument("--app", required=True, type=Path, metavar="PATH", help="the checkout")
    options = parser.parse_args(arguments)
    try:
        chosen = choose(options.environments)
        read = checkout(options.app, chosen)
        found = [difference for environment in chosen for difference in differences(read, environment)]
    except PyinfraError as error:
        print(error, file=sys.stderr)
        return 1
    if options.json:
        print_json([asdict(difference) for difference in found])
    else:
        for difference in found:
            print(difference)
        names = ", ".join(environment.environment for environment in chosen)
        if found:
            print(
                f"make app-plan APP={options.app} shows what make app-apply would mend, and what not.", file=sys.stderr
            )
        else:
            print(f"{options.app} is in step with {names}")
    return 2 if found else 0


if __name__ == "__main__":
    interruption.end_process()
    sys.exit(main())
