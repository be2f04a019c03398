"""Check inventory, group data and vaults, without a host.

Exit code 0: no problem, and one line says so. 1: problems, all in one message on standard error.
"""

import click

from commands import options
from group_data.schema.inventory import examine
from group_data.schema.paths import CHECKOUT
from group_data.schema.problem import Problem
from preflight.check import (
    forged,
    missing_dns_secrets,
    missing_passwords,
    not_compared,
    open_vaults,
    report,
    reserved_groups,
    shared_cookies,
    unsealed,
)
from preflight.inventory import InventoryError, read_inventory
from preflight.secret_variables import different_variables, missing_build_secrets
from vault.keys import shown


@options.command(__doc__)
def command() -> int:
    """Check the committed inventory."""
    try:
        inventory = read_inventory()
        subjects, problems = examine(inventory, [host.name for host in inventory])
        problems = [*reserved_groups(CHECKOUT / "inventory.py"), *problems]
        if not subjects and not problems:
            text = "there is no environment in it: add a group with one host for each, named as its file in group_data"
            problems = [Problem("the inventory", text, "inventory.py")]
    except InventoryError as error:
        return report([error.problem])
    vaults = open_vaults(subjects)
    problems += [*forged(subjects, vaults), *shared_cookies(subjects, vaults), *missing_passwords(subjects, vaults)]
    problems += [*missing_dns_secrets(subjects, vaults), *different_variables(subjects, vaults.opened)]
    problems += missing_build_secrets(subjects, vaults.opened)
    if problems:
        return report(problems, not_compared(vaults))
    machines = len({subject.machine for subject in subjects})
    compared = ", ".join(sorted({shown(path) for path, _ in vaults.opened.values()})) or "none"
    click.echo(
        f"{_count(len(subjects), 'environment')} on {_count(machines, 'machine')}: no problem; cookies compared: "
        + "; ".join([compared, *not_compared(vaults)])
    )
    for sentence in unsealed(subjects, vaults):
        click.echo(sentence)
    return 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


if __name__ == "__main__":
    command()
