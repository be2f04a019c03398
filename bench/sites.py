"""Throwaway machines with the example's environments, and the measured ways to reach them."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figures
from bench.proxy import Proxy, proxied
from tests.host.project import Project
from tests.sandbox.machine import Machine

# Lets sshd log each command that it runs.
_VERBOSE = "echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/verbose.conf; systemctl reload ssh"


@dataclass(frozen=True)
class Site:
    """A machine and the way to reach it.

    + machine: the machine
    + config: ssh_config with the machine's name
    + proxy: proxy that counts the bytes; None for a direct connection
    """

    machine: Machine
    config: Path
    proxy: Proxy | None


@contextmanager
def reached(machine: Machine, round_trip: float) -> Iterator[Site]:
    """The machine with a direct connection, or one with a delay.

    + round_trip: delay in seconds; 0 for a direct connection
    """
    machine.run(_VERBOSE)
    if not round_trip:
        yield Site(machine, machine.ssh_config, None)
        return
    with proxied(machine.address, 22, round_trip) as proxy:
        config = machine.directory / f"far_{proxy.port}"
        hosts = config.with_suffix(".known_hosts")
        known = (machine.directory / "known_hosts").read_text()
        hosts.write_text(re.sub(r"^\S+", f"[127.0.0.1]:{proxy.port}", known, flags=re.MULTILINE))
        text = machine.ssh_config.read_text().replace(str(machine.directory / "known_hosts"), str(hosts))
        config.write_text(re.sub(r"HostName \S+", f"HostName 127.0.0.1\n    Port {proxy.port}", text))
        yield Site(machine, config, proxy)


@contextmanager
def counted(site: Site, figures: Figures) -> Iterator[None]:
    """Count the commands over SSH during the block and, with a proxy, the bytes."""
    mark = site.machine.run("date +%s.%N").stdout.strip()
    passed = site.proxy.passed if site.proxy else 0
    yield
    log = site.machine.run(f"journalctl --sync; journalctl -t sshd -t sshd-session -o cat --since @{mark}").stdout
    figures.commands = log.count("Starting session: ")
    figures.passed = site.proxy.passed - passed if site.proxy else None


def project_of(directory: Path, vaults: Path, sites: Sequence[Sequence[str]], connector: str = "@snapshot/") -> Project:
    """A copy of the repository for several environments, each like the example's `stage`.

    + directory: path of the copy
    + vaults: vaults of the environments
    + sites: names of the environments on each machine; machine i is called `host-i` in `.sandbox/ssh_config`
    + connector: prefix of the inventory's hosts; empty for pyinfra's own connector
    """
    project = Project.copy(directory, vaults)
    inventory = directory / "inventory.py"
    text = inventory.read_text()
    head, rest = text.split("# One group for each environment", 1)
    _, tail = rest.split("# A step that fails", 1)
    groups = "".join(
        f'{name} = [("{connector}{name}", SANDBOX | {{"ssh_hostname": "host-{i}", "ssh_user": "devops"}})]\n'
        for i, names in enumerate(sites)
        for name in names
    )
    inventory.write_text(f"{head}{groups}\n# A step that fails{tail}")
    stage = (directory / "group_data/stage.py").read_text()
    for path in (directory / "group_data").glob("*.py"):
        if path.name != "all.py":
            path.unlink()
    for names in sites:
        for number, name in enumerate(names):
            data = stage.replace('"stage"', f'"{name}"', 1).replace("stage.billing", f"{name}.billing")
            data = re.sub(r"port = \d+", f"port = {4001 + number}", data)
            # If environments share a unix user, only one of them has aliases.
            (directory / f"group_data/{name}.py").write_text(f"{data}\naliases = {{}}\n" if number else data)
    return project


def lead_to(project: Project, sites: Sequence[Site]) -> None:
    """Let the project's inventory reach machine i at site i."""
    config = "\n".join(
        site.config.read_text().replace(f"Host {site.machine.name}", f"Host host-{i}") for i, site in enumerate(sites)
    )
    project.sandbox.mkdir(exist_ok=True)
    (project.sandbox / "ssh_config").write_text(config)
