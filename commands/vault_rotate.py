"""Make a new strong value for one key.

It says what that costs, and asks.

Exit code 0: done, or nothing to do. 1: refused or failed, with one message on standard error. 2: wrong usage. 130:
interrupted, and the vault is as it was.
"""

import click

from commands import options
from commands.deployment import ask
from commands.vault_places import consent, place, require_free, settings, stored
from group_data.schema.environment import Environment
from vault.change import open_place, value_of
from vault.keys import VaultError
from vault.upkeep import strong_value


@options.command(__doc__, options.VaultCommand)
@options.environment
@options.key
@click.option("--yes", is_flag=True, help="Go ahead without a question, and even when it shuts you out of the vault.")
@options.new_recipients
def command(environment: str, key: str, yes: bool, new_recipients: bool) -> None:
    """Say what it costs, ask, and change the value."""
    chosen = settings(environment)
    require_free(chosen, key)
    if key == "appsignal_push_api_key":
        raise VaultError("AppSignal makes this key: store the one it gives you with `make vault-set`")
    if key == "acme_dns_secret":
        raise VaultError(
            "The name server has this key, too: make one there, and store its secret with `make vault-set`"
        )
    vault = open_place(place(environment), shut_out=yes, consent=consent(accepted=new_recipients, yes=yes))
    # Refuses a key that is not there.
    value_of(vault.place, key)
    click.echo(_cost(chosen, key), err=True)
    ask(f"Make a new {key}?", yes=yes)
    vault.change({key: strong_value(key)})
    click.echo(stored(chosen, vault.place.path, "made a new", [key]))


def _cost(environment: Environment, key: str) -> str:
    """The price of a new value, for the operator."""
    built_in = (
        "" if environment.secrets_read_at_start else " A Distillery release keeps the old one until the next build."
    )
    costs = {
        "database_password": "PostgreSQL refuses new connections of the running application from the change to the restart, "
        "which apply makes together, in seconds. Open connections stay." + built_in,
        "secret_key_base": "Everybody is signed out: sessions and signed tokens end with the restart." + built_in,
        "cookie": "Apply restarts the application. Until then console, rpc and ping do not reach the node. Nodes elsewhere "
        "that connect to it need the new cookie, too.",
        "basic_auth_password": "Every visitor needs the new password from the next apply on.",
    }
    if key == "database_password" and not environment.database_managed:
        return "The database is managed elsewhere: set the new password there in the moment of the apply." + built_in
    return costs.get(
        key,
        f"The new {key} is made of random letters and digits. That is right for a secret which your application alone "
        "checks. A key that somebody else gave you, such as a payment provider, must come from them: `make vault-set`.",
    )


if __name__ == "__main__":
    command()
