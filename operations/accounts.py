"""The users of an environment: refused where apply could not make or change them."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import machine
from operations.host import program


class AccountTroubles(FactBase[list[list[str]]]):
    """The lines of operations/programs/accounts.sh: word and details."""

    @staticmethod
    @override
    def default() -> list[list[str]]:
        return []

    @override
    def command(self, accounts: Sequence[str]) -> StringCommand:
        return program.command("accounts.sh", *accounts)

    @override
    def process(self, output: list[str]) -> list[list[str]]:
        return [line.split("\t") for line in output]


def require(environment: Environment) -> None:
    """Refuse users that cannot be made or changed.

    + environment: whose users they are

    Raises DeployError; the run ends before anything has changed.
    """
    accounts = [environment.login, environment.home, machine.LOGIN_SHELL]
    accounts += [environment.user, environment.private_path, machine.NO_LOGIN]
    homes = {environment.login: environment.home, environment.user: environment.private_path}
    if reasons := [sentence(homes, *line) for line in host.get_fact(AccountTroubles, accounts=accounts)]:
        raise DeployError(f"{environment.environment}: {'; '.join(reasons)}. Nothing was changed")


def sentence(homes: dict[str, str], word: str, *details: str) -> str:
    """One line of the program, with the way out.

    + homes: the home that each user is to have
    + word: of the line
    + details: of the line
    """
    if word == "protected":
        return (
            f"{details[0]} is protected by chattr, so no user can be made or changed: look who did that and why; "
            f"chattr -i -a {details[0]} takes it back"
        )
    if word == "shared":
        user, number, others = details
        return (
            f"user {user} has the number {number}, and {others} has it too: for Linux they are one user, with its files "
            f"and secrets. Give another number to the other one: usermod -u NUMBER {others.split()[0]}, and chown its files"
        )
    user, home, processes = details
    return (
        f"the home of user {user} is {home} and is to become {homes.get(user)}, but no home can change while processes of "
        f"the user run: {processes}. End them: systemctl stop their unit, or loginctl terminate-user {user}"
    )
