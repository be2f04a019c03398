"""Store one value in the vault.

It comes from standard input or, on a terminal, from a prompt that does not show it: every user of a computer can read
arguments. A newline at its end is left out.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted, and the vault is as it was.
"""

import sys
from getpass import getpass

import click

from commands import options
from commands.vault_places import consent, place, require_free, settings, stored
from vault.change import open_place
from vault.keys import VaultError


@options.command(__doc__, options.VaultCommand)
@options.environment
@options.key
@options.shut_out
@options.new_recipients
def command(environment: str, key: str, yes: bool, new_recipients: bool) -> None:
    """Store the value."""
    chosen = settings(environment)
    require_free(chosen, key)
    vault = open_place(place(environment), shut_out=yes, consent=consent(accepted=new_recipients, yes=yes))
    value = _value(key)
    verb = "changed" if key in vault.values else "added"
    if vault.values.get(key) == value:
        verb = "the same value as before for"
    else:
        vault.change({key: value})
    click.echo(stored(chosen, vault.place.path, verb, [key]))


def _value(key: str) -> str:
    if sys.stdin.isatty():
        value = getpass(f"Value of {key}, not shown: ", stream=sys.stderr)
    else:
        try:
            value = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError:
            raise VaultError("the value is not UTF-8: a vault holds text alone") from None
        value = value.removesuffix("\r\n" if value.endswith("\r\n") else "\n")
    if not value:
        raise VaultError(f"no value for {key} came: type it, or send it to standard input")
    return value


if __name__ == "__main__":
    command()
