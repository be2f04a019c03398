"""How every entry point begins: root by sudo, a machine that allows it, and the environment of this host."""

from collections.abc import Mapping

from pyinfra import config, host
from pyinfra.api.exceptions import DeployError
from pyinfra.facts.server import LinuxDistribution

from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from operations.host import lock
from operations.release.choice import require_one_environment
from preflight.access import require_sudo

DEBIAN = (12, 13)


def environments() -> Mapping[str, Environment]:
    """Every environment of the inventory by host name, in a run as root.

    Raises DeployError where sudo asks for a password.
    """
    config.SUDO = True
    require_sudo(host)
    known: Mapping[str, Environment] = read_environments(host.inventory)
    return known


def one_environment() -> Environment:
    """The environment of a run that is about one alone.

    Raises DeployError for a run over several environments, and where sudo asks for a password.
    """
    require_one_environment(host.inventory)
    return environments()[host.name]


def free_environment() -> Environment:
    """The environment of a run about one alone, on a machine that nobody else changes.

    Raises DeployError as `one_environment` does, and when somebody holds the machine's lock.
    """
    environment = one_environment()
    lock.require_free()
    return environment


def distribution() -> str:
    """What the host runs, such as Debian 13."""
    linux = host.get_fact(LinuxDistribution)
    return f"{linux['name']} {linux['major']}"


def require_debian() -> int:
    """The host's version of Debian.

    Raises DeployError for another distribution, and for a version that is not supported.
    """
    linux = host.get_fact(LinuxDistribution)
    if linux["name"] != "Debian" or linux["major"] not in DEBIAN:
        raise DeployError(f"{host.name} runs {distribution()}: only Debian 12 and 13 are supported")
    return int(linux["major"])
