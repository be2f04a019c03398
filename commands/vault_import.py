"""Store the variables of a .env file in the vault.

It says which variables it takes, which it leaves out and why, and the line for group data. It asks before it overwrites.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted, and the vault is as it was.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from commands import options
from commands.deployment import ask
from commands.vault_places import consent, place, settings, stored
from vault import env_file
from vault.change import open_place
from vault.keys import VaultError


@options.command(__doc__, options.VaultCommand)
@options.environment
@click.option("--file", type=click.Path(path_type=Path), metavar="PATH", help="The file, such as ../billing/.env.")
@click.option("--yes", is_flag=True, help="Overwrite without a question, and even when it shuts you out of the vault.")
@options.new_recipients
@click.pass_context
def command(ctx: click.Context, environment: str, file: Path | None, yes: bool, new_recipients: bool) -> None:
    """Read, ask, and store."""
    if file is None:
        raise click.UsageError(f"Say which file: make {options.target(ctx)} ENV={environment} FILE=../billing/.env")
    chosen = settings(environment)
    found = env_file.read(_content(file), chosen)
    for name, reason in found.skipped.items():
        click.echo(f"left out: {ascii(name).strip(chr(39))}: {reason}")
    vault = open_place(place(environment), shut_out=yes, consent=consent(accepted=new_recipients, yes=yes))
    new = _different(found.taken, vault.values)
    if not new:
        click.echo(f"{file} has nothing for the vault that is not there already: nothing changed")
        return
    click.echo(f"takes: {', '.join(new)}")
    if overwritten := [name for name in new if name in vault.values]:
        ask(f"The vault has other values for {', '.join(overwritten)}. Overwrite them?", yes=yes)
    vault.change(new)
    click.echo(stored(chosen, vault.place.path, "stored", list(new)))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise VaultError(f"{file} cannot be read: {error.strerror}") from None


def _different(taken: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in taken.items() if present.get(name) != value}


if __name__ == "__main__":
    command()
