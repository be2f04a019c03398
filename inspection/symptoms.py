"""The symptoms of a running environment, as its host shows them. inspection/diagnosis.py says what they mean."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from pyinfra.api import Host

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.ask import began, fact
from inspection.certificate import certificate_of
from inspection.closed_ports import ClosedPorts
from inspection.disk_forecast import DiskForecast
from inspection.end import End, UnaskedEnd
from inspection.login import login_refusal
from inspection.probe import PATIENCE, HstsHeaders, Lines, node_output, shell_program, site_hsts
from operations import nginx_layout
from operations.certificate import Pair
from operations.host.firewall import TableInForce, owner_table
from operations.host.unit_state import DISK_LOG, FileTimes, HostClock, Units, changed_since
from operations.nginx_loaded import NginxConfiguration
from operations.release.history import ReleasesOnHost, paths
from operations.release.obstacle import Obstacle


class Symptoms(NamedTuple):
    """Everything that was seen.

    + obstacles: everything on the machine that is in the application's way
    + state: the unit's, e.g. active
    + listens: addresses with ports the application listens on
    + registered: ports by node name, as epmd has them
    + hangs: whether the application takes connections and does not answer them
    + node: the settings the node prints, by name; empty when it does not answer
    + told_appsignal: AppSignal's working directory in the process's variables
    + appsignal_writable: whether the application could write in the directory that is meant for it
    + secret_newer_than_start: whether the secret file was changed after the process had started
    + secret_newer_than_build: whether it was changed after the release had been built
    + login: why PostgreSQL refuses the vault's password; empty if it accepts it, None if it was not asked
    + certificate: with its key; None for a site without TLS
    + hsts: the header by domain, of those that send it to a browser
    + site_hsts: these headers as nginx sends them on the host itself; None if it does not answer there
    + skew: how far the host's clock is ahead of this computer's, in seconds, at the least
    + disks: percent of bytes and of inodes used, by mount point
    + full_in: days until a file system is full, by mount point, of those that will be soon
    + reboot: the packages that wait for a reboot; None if none does
    + closed: those of its ports that the machine keeps to itself
    + owned: whether the firewall leaves its ports to its user; None if nobody can tell, without nftables
    + end: the last end of its process that nobody asked for; None without one
    + cut_off: an action of a release that a power cut cut off; None without one
    + damaged: the running release, if its files are not those of its tarball
    + released: whether there is a release
    """

    obstacles: list[Obstacle]
    state: str
    listens: list[str]
    registered: dict[str, int]
    hangs: bool
    node: dict[str, str]
    told_appsignal: str | None
    appsignal_writable: bool
    secret_newer_than_start: bool
    secret_newer_than_build: bool
    login: str | None
    certificate: Pair | None
    hsts: dict[str, str]
    site_hsts: list[str] | None
    skew: float
    disks: dict[str, tuple[int, int]]
    full_in: dict[str, int]
    reboot: str | None
    closed: frozenset[int]
    owned: bool | None
    end: End | None
    cut_off: str | None = None
    damaged: str | None = None
    released: bool = True


def read(host: Host, environment: Environment, secrets: Secrets, found: list[Obstacle]) -> Symptoms:
    """All symptoms of an environment.

    + secrets: of its vault
    + found: the obstacles on its machine

    Raises PyinfraError when a question to the host fails.
    """
    # The answer may have come with the connection, together with others.
    before = began(host)
    lines = fact(host, Lines, arguments=shell_program("symptoms.sh", *_symptoms_of(environment)))
    after = time.time()
    seen = by_word(lines)
    active = seen["state"] == ["active"]
    first, last = map(float, seen["clock"])
    releases = fact(host, ReleasesOnHost, **paths(environment))
    return Symptoms(
        obstacles=found,
        state=seen["state"][0],
        listens=seen.get("listens", []),
        registered={name: int(port) for name, port in (line.split(" ") for line in seen.get("registered", []))},
        hangs="hangs" in seen,
        node=_node(host, environment) if active and "hangs" not in seen else {},
        told_appsignal=seen.get("told-appsignal", [None])[0],
        appsignal_writable="writable" in seen,
        secret_newer_than_start=active and _secret_newer_than_start(host, environment),
        secret_newer_than_build="newer-than-build" in seen,
        login=login_refusal(host, environment, secrets),
        certificate=certificate_of(host, environment),
        hsts=fact(host, HstsHeaders, names=_with_parents(environment.domain)),
        site_hsts=site_hsts(host, environment),
        skew=_skew(first - before, last - after),
        disks=_disks(seen),
        full_in=fact(host, DiskForecast, log=DISK_LOG),
        reboot=seen.get("reboot", [None])[0],
        closed=fact(host, ClosedPorts, ports=environment.closed_ports),
        owned=fact(host, TableInForce, **owner_table(environment, _nginx_user(host))),
        end=fact(host, UnaskedEnd, unit=environment.unit),
        cut_off=releases.cut_off,
        damaged=releases.current if releases.current in releases.damaged else None,
        released=releases.current is not None,
    )


def _nginx_user(host: Host) -> str:
    return nginx_layout.user_of(fact(host, NginxConfiguration))


def _secret_newer_than_start(host: Host, environment: Environment) -> bool:
    unit = fact(host, Units, units=[environment.unit]).get(environment.unit, {})
    times = fact(host, FileTimes, paths=[environment.secret_path])
    return bool(changed_since("ExecMainStartTimestamp", unit, times, fact(host, HostClock)))


def by_word(lines: list[str]) -> dict[str, list[str]]:
    """The values that symptoms.sh prints, by the word before each.

    + lines: its output
    """
    seen: dict[str, list[str]] = {}
    for line in lines:
        word, _, value = line.partition(" ")
        seen.setdefault(word, []).append(value.strip())
    return seen


def _skew(first: float, last: float) -> float:
    """The least difference of two clocks: the true one lies between the arguments.

    + first: the host's first reading, less the time here before it
    + last: its last reading, less the time here after it
    """
    return max(last, min(first, 0.0))


def _symptoms_of(environment: Environment) -> list[str]:
    return [
        environment.unit,
        str(PATIENCE),
        str(environment.port),
        environment.secret_path,
        f"{environment.app_path}/releases/start_erl.data",
        environment.appsignal_path,
        environment.user,
        str(environment.epmd_port),
        "/",
        environment.root,
        environment.state_path,
        *(["/var/lib/postgresql"] if environment.database_managed else []),
    ]


def _disks(seen: Mapping[str, list[str]]) -> dict[str, tuple[int, int]]:
    lines = [line.split(None, 2) for line in seen.get("disk", [])]
    return {target: (_percent(used), _percent(inodes)) for used, inodes, target in lines}


def _percent(text: str) -> int:
    # A file system without inodes of its own says "-".
    return int(text.rstrip("%")) if text != "-" else 0


def _node(host: Host, environment: Environment) -> dict[str, str]:
    # The VM itself has MD5, even if the release lacks crypto. The digest leaves the host over SSH and nobody sees it.
    expression = (
        'IO.puts("node #{node()}"); '
        'IO.puts("cookie #{Base.encode16(:erlang.md5(Atom.to_string(Node.get_cookie())))}"); '
        f"endpoint = Application.get_env(:{environment.web_app}, {environment.endpoint}) || []; "
        'IO.puts("server #{inspect(endpoint[:server])}"); '
        'IO.puts("appsignal #{(Application.get_env(:appsignal, :config) || [])[:working_directory_path]}")'
    )
    lines = node_output(host, environment, expression, while_starting=True)
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}


def _with_parents(domain: str) -> list[str]:
    """The name of a site and those of its parents, without the top level."""
    labels = domain.split(".")
    return [".".join(labels[level:]) for level in range(len(labels) - 1)]
