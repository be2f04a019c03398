"""The vault's commands: `python -m commands.vault init ENV`, `edit ENV` and `recipients`.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 128 and
the number of a signal that ended it.
"""

import argparse
import sys
from collections.abc import Sequence

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.secrets import REQUIRED_KEYS
from preflight.inventory import load
from vault import store
from vault.keys import VaultError
from vault.upkeep import Place, edit, encrypt_anew, init


def places() -> dict[str, Place]:
    """The vault of every environment in the inventory, by the environment's name."""
    return {
        name: Place(
            store.vault_path(environment.vault_directory, name),
            environment.vault_identity,
            (*REQUIRED_KEYS, "basic_auth_password") if environment.basic_auth_user else REQUIRED_KEYS,
        )
        for name, environment in load().items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(
        prog="python -m commands.vault", description="Encrypted secrets of the environments."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("init", "make a vault or its missing keys"), ("edit", "edit a vault in your editor")):
        commands.add_parser(name, help=about).add_argument("environment", metavar="ENV")
    commands.add_parser("recipients", help="encrypt every vault anew for everyone in recipients.txt")
    options = parser.parse_args(arguments)
    try:
        print(_run(options.command, getattr(options, "environment", "")))
    except PyinfraError as error:
        print(f"vault: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(command: str, environment: str) -> str:
    known = places()
    if command == "recipients":
        return encrypt_anew(known)
    if environment not in known:
        raise VaultError(f"there is no environment {environment!r}: give ENV as one of {', '.join(sorted(known))}")
    return init(known[environment]) if command == "init" else edit(known[environment])


if __name__ == "__main__":
    sys.exit(main())
