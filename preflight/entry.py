"""The beginning of every entry point: root by sudo, a machine that allows it, and the environment of this host."""

from collections.abc import Mapping

from pyinfra import config, host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import LinuxDistribution

from connectors.language import LANGUAGE
from group_data.schema.environment import Environment
from group_data.schema.inventory import machine_of, read_environments
from operations.host import lock
from operations.release.choice import require_one_environment
from preflight import screen
from preflight.access import require_sudo

DEBIAN = (12, 13)


def environments() -> Mapping[str, Environment]:
    """Every environment of the inventory by host name. The run uses sudo from here on, and one language on every host.

    Raises DeployError if sudo asks for a password.
    """
    config.SUDO = True
    config.ENV = LANGUAGE
    screen.follow_steps()
    require_sudo(host)
    known: Mapping[str, Environment] = read_environments(host.inventory)
    return known


def one_environment() -> Environment:
    """The environment of a run for one environment.

    Raises DeployError for a run over several environments, and if sudo asks for a password.
    """
    require_one_environment(host.inventory)
    return environments()[host.name]


def neighbour(name: str | None) -> Environment | None:
    """Another environment of the machine; None if no name is given.

    + name: short name

    Raises DeployError when the machine of this host has no such environment.
    """
    if not name:
        return None
    for environment in neighbours():
        if environment.environment == name:
            return environment
    raise DeployError(f"FROM={name} is no environment of this machine. Nothing was changed")


def neighbours(besides: Environment | None = None) -> list[Environment]:
    """The environments of this machine.

    + besides: environment to leave out
    """
    return [
        environment
        for name, environment in environments().items()
        if environment != besides and machine_of(host.inventory.get_host(name)) == machine_of(host)
    ]


def free_environment() -> Environment:
    """The environment of a run for one environment, on a machine with a free lock.

    Raises DeployError like `one_environment`, and if another run holds the machine's lock.
    """
    environment = one_environment()
    lock.require_free()
    return environment


def distribution() -> str:
    """The host's distribution, such as Debian 13."""
    linux = host.get_fact(LinuxDistribution)
    return f"{linux['name']} {linux['major']}"


def require_debian() -> int:
    """The host's version of Debian.

    Raises DeployError for another distribution and for an unsupported version.
    """
    linux = host.get_fact(LinuxDistribution)
    if linux["name"] != "Debian" or linux["major"] not in DEBIAN:
        raise DeployError(f"{host.name} runs {distribution()}: only Debian 12 and 13 are supported")
    return int(linux["major"])
