"""Everything on a machine that keeps an application from running, or its answer from visitors.

A release that meets one of these fails without being at fault, and cannot tell. So its plan names them first.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pyinfra import host
from pyinfra.api import FactBase, StringCommand
from pyinfra.api.exceptions import DeployError
from typing_extensions import override

from group_data.schema.environment import Environment
from operations import site_owners
from operations.host import program
from operations.release.obstacle import Obstacle


class ObstaclesOnHost(FactBase[list[list[str]]]):
    """The lines of operations/programs/obstacles.sh: word and details."""

    @staticmethod
    @override
    def default() -> list[list[str]]:
        return []

    @override
    def command(self, unit: str, ports: Sequence[str], directories: Sequence[str]) -> StringCommand:
        return program.command("obstacles.sh", unit, *ports, *directories)

    @override
    def process(self, output: list[str]) -> list[list[str]]:
        return [line.split("\t") for line in output]


# The kinds that an action may need to be absent. nginx goes on with the configuration that it has, so a broken one keeps no
# release from its visitors; neither do packages or connections, which the release before uses and gives back.
WEB = frozenset({"loopback", "nginx", "port", "taken", "held", "program"})
DISK = frozenset({"read-only", "full", "noexec"})
DATABASE = frozenset({"postgresql", "cluster"})


# Where programs of a host write, whatever they do: the journal, too, by which an action is followed.
_EVERYWHERE = ("/", "/etc", "/run", "/tmp", "/dev/shm", "/var/log")  # noqa: S108  only asked about


def arguments(environment: Environment, directories: Sequence[str] = ()) -> dict[str, Any]:
    """The arguments of `ObstaclesOnHost` for an environment.

    + environment: that is asked about
    + directories: in which an action writes; none: the environment's own
    """
    database_port = str(environment.database_port) if environment.database_managed else ""
    standin_port = str(environment.standin_port) if environment.release_strategy == "stand_in" else ""
    ports = [str(environment.port), str(environment.url_port), str(environment.epmd_port), database_port, standin_port]
    return {
        "unit": environment.unit,
        "ports": ports,
        "directories": [*_EVERYWHERE, *(directories or _own(environment))],
    }


def _own(environment: Environment) -> list[str]:
    database = ["/var/lib/postgresql"] if environment.database_managed else []
    return [environment.root, environment.state_path, *database]


def read(environment: Environment, lines: list[list[str]]) -> list[Obstacle]:
    """The obstacles that the host's lines name.

    + environment: that is asked about
    + lines: as `ObstaclesOnHost` reads them
    """
    sentences: dict[str, Callable[..., Obstacle]] = {
        "loopback": _loopback, "nginx": _nginx, "configuration": _configuration, "read-only": _read_only, "full": _full,
        "postgresql": _postgresql, "cluster": _cluster, "connections": _connections, "port": _port, "packages": _packages,
        "program": _program, "noexec": _noexec,
    }  # fmt: skip
    return [sentences[word](environment, *details) for word, *details in lines]


def found_by(environment: Environment, get_fact: Callable[..., Any], directories: Sequence[str] = ()) -> list[Obstacle]:
    """The obstacles that a machine shows.

    + environment: that is asked about
    + get_fact: asks the machine: a fact and its arguments
    + directories: in which an action writes; none: the environment's own
    """
    lines = get_fact(ObstaclesOnHost, **arguments(environment, directories))
    return [*read(environment, lines), *site_owners.ask(environment, get_fact)]


def require_none(environment: Environment, kinds: frozenset[str], directories: Sequence[str] = ()) -> None:
    """Refuse an action that could not succeed, or not be seen to succeed, and name everything in its way.

    + environment: of the action
    + kinds: the obstacles that count
    + directories: in which the action writes; none: the environment's own

    Raises DeployError.
    """
    found = found_by(environment, host.get_fact, directories)
    if reasons := [f"{obstacle.what}. Mend: {obstacle.mend}" for obstacle in found if obstacle.kind in kinds]:
        raise DeployError(
            "\n".join(f"{environment.environment}: {reason}" for reason in reasons) + "\nNothing was changed"
        )


def _apply(environment: Environment) -> str:
    return f"make apply ENV={environment.environment}"


def _loopback(environment: Environment, port: str) -> Obstacle:
    return Obstacle(
        "loopback", "",
        f"the machine does not let its own programs connect to 127.0.0.1:{port}: a firewall drops the packets",
        "nginx, the application, its node and epmd talk to one another there",
        "on the host: nft list ruleset, and let everything pass whose interface is lo",
    )  # fmt: skip


def _nginx(environment: Environment, state: str) -> Obstacle:
    return Obstacle(
        "nginx", "",
        f"nginx does not run: its unit is {state}",
        f"nobody reaches {environment.url}, whatever the application does",
        f"{_apply(environment)} starts it; on the host, journalctl -u nginx says why it ended",
    )  # fmt: skip


def _configuration(environment: Environment, said: str) -> Obstacle:
    return Obstacle(
        "configuration", "",
        f"nginx refuses its configuration: {said}",
        "it goes on with the configuration that it has, and does not start again after a reboot",
        "mend that file on the host, or remove it from there if it is not needed; nginx -t tests it; "
        f"{_apply(environment)} writes the files of this environment",
    )  # fmt: skip


def _read_only(environment: Environment, target: str) -> Obstacle:
    return Obstacle(
        "read-only", target,
        f"the file system {target} is read-only",
        "nothing can be written there. The kernel makes a file system read-only after an error of its disk",
        f"on the host: dmesg says why; once the disk is well, mount -o remount,rw {target}, or reboot",
    )  # fmt: skip


def _noexec(environment: Environment, target: str) -> Obstacle:
    return Obstacle(
        "noexec", "",
        f"the file system {target} is mounted with noexec",
        "releases or builds are there, and nothing of them can be started",
        f"on the host: mount -o remount,exec {target}, and take noexec out of its line in /etc/fstab",
    )  # fmt: skip


def _full(environment: Environment, target: str, what: str) -> Obstacle:
    return Obstacle(
        "full", target,
        f"the file system {target} has no {'inodes' if what == 'inodes' else 'space'} left",
        "nothing can be written there",
        f"on the host: du -{'' if what == 'space' else '-inodes -'}x {target} | sort -n | tail shows what to remove",
    )  # fmt: skip


def _postgresql(environment: Environment, cluster: str, said: str) -> Obstacle:
    return Obstacle(
        "postgresql", "",
        f"PostgreSQL's cluster {cluster} does not run{f'. Its log ends with: {said}' if said else ''}",
        "the application cannot connect to its database",
        f"{_apply(environment)} starts it; on the host, journalctl -u postgresql@{cluster.replace('/', '-')} says more",
    )  # fmt: skip


def _cluster(environment: Environment, port: str, others: str) -> Obstacle:
    return Obstacle(
        "cluster", "",
        f"no cluster of PostgreSQL has port {port}; there are clusters at: {others or 'none'}",
        "the application connects to that port",
        f"set database_port in group_data/{environment.environment}.py to the cluster's, {_apply(environment)}",
    )  # fmt: skip


def _connections(environment: Environment, left: str) -> Obstacle:
    return Obstacle(
        "connections", "",
        f"PostgreSQL has {max(0, int(left))} connections left",
        "further logins are refused, those of the application and of a release among them",
        "on the host: sudo -u postgres psql -c 'TABLE pg_stat_activity' shows whose they are; lower the pool of an "
        "application, or raise max_connections",
    )  # fmt: skip


def _port(environment: Environment, address: str, holder: str) -> Obstacle:
    if address.rpartition(":")[2] == str(environment.standin_port):
        return Obstacle(
            "port", "",
            f"{holder} listens on {address}, and it is not {environment.standin_unit}",
            f"a stand-in of {environment.unit} serves at that port while the application restarts",
            f"end that program; or set another node_port in group_data/{environment.environment}.py, {_apply(environment)}",
        )  # fmt: skip
    return Obstacle(
        "port", "",
        f"{holder} listens on {address}, and it is not {environment.unit}",
        f"nginx passes requests for {environment.domain} to that port, and the application cannot have it",
        f"end that program; or set another port in group_data/{environment.environment}.py, {_apply(environment)}",
    )  # fmt: skip


def _program(environment: Environment, name: str, package: str) -> Obstacle:
    return Obstacle(
        "program", name,
        f"the host has no program {name}, which the package {package} brings",
        "what is asked with it has no answer, so nothing can be called well",
        f"on the host: apt-get install --reinstall {package}",
    )  # fmt: skip


def _packages(environment: Environment, package: str, state: str) -> Obstacle:
    return Obstacle(
        "packages", "",
        f"the installation of the package {package} was not finished: it is {state}",
        "its programs may be missing, and apt installs nothing else before that",
        f"on the host: apt-get install --reinstall {package}"
        if state == "half-installed"
        else f"{_apply(environment)}; if that fails, dpkg --configure {package} on the host says why",
    )  # fmt: skip
