"""Tables of nftables, as the kernel has them."""

from pyinfra.api import FactBase, StringCommand
from typing_extensions import override

from group_data.schema.environment import Environment
from operations.host import program
from operations.host.rendering import render

# The table that keeps the machine's ports from the network.
TABLE = "inet deploy_ports"


class TableInForce(FactBase[bool | None]):
    """Whether the kernel has the table exactly as a ruleset makes it; None if nft is not installed and nobody can tell."""

    @staticmethod
    @override
    def default() -> bool | None:
        return False

    @override
    def command(self, ruleset: str, table: str = TABLE) -> StringCommand:
        return program.command("ports_in_force.sh", table, ruleset)

    @override
    def process(self, output: list[str]) -> bool | None:
        return None if output == ["untold"] else output == ["in force"]


def owner_table(environment: Environment, nginx_user: str, former: int | None = None) -> dict[str, str]:
    """Arguments of `TableInForce` for the table that leaves an environment's ports to its user.

    + environment: whose ports they are
    + nginx_user: who passes requests on
    + former: port of before a change, at which the application still serves
    """
    ruleset = render("port-owner.nft.j2", environment=environment, nginx_user=nginx_user, former=former)
    return {"ruleset": ruleset, "table": f"inet {environment.owner_table}"}
