"""The ports that a machine keeps to itself, seen from another network namespace."""

import socket
import subprocess

import pytest

from tests.host.conftest import Host
from tests.sandbox.machine import Machine

# 4444 is nobody's: the table names no other port.
PORTS = (22, 80, 443, 4000, 4001, 4369, 4444)
OPEN = {22, 80, 443, 4444}
IN_FORCE = {"Machine: closed ports: in force": ["stage"], "Port: in force": ["prod", "stage"]}

# A firewall beside ours that accepts everything before ours sees it, and one that begins as Debian's file does.
FLUSHES = """\
#!/usr/sbin/nft -f
flush ruleset
table inet other {
    chain input {
        type filter hook input priority -100; policy accept;
        accept
    }
}
"""


def listen(machine: Machine) -> None:
    """Stand-ins for applications and for epmd listen on every interface, with IPv4 and IPv6."""
    streams = [f"[::]:{port}" for port in (4000, 4001, 4444)]
    streams += [f"{machine.address}:4369", f"[{ipv6(machine)}]:4369"]
    options = " ".join(f"--socket-property ListenStream={stream}" for stream in streams)
    machine.run(f"systemd-run --quiet --unit everywhere {options} sleep infinity")


def unlisten(machine: Machine) -> None:
    """The stand-ins end. A plan would name the one for epmd."""
    machine.run("systemctl stop everywhere.socket everywhere.service")


def ipv6(machine: Machine, end: int = 2) -> str:
    return f"fd00:{machine.slot.number + 1:x}::{end}"


def give_ipv6(machine: Machine) -> None:
    """Both ends of the machine's cable get an address."""
    label = machine.slot.label
    for end, options in ((1, []), (2, ["-n", label])):
        device = "eth0" if options else label
        add = ["address", "add", f"{ipv6(machine, end)}/64", "dev", device, "nodad"]
        subprocess.run(["ip", *options, "-6", *add], check=True)


def reached(address: str) -> set[int]:
    """The ports of an address that take a connection from here."""
    found = set()
    for port in PORTS:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as connection:
            connection.settimeout(0.7)
            if connection.connect_ex((address, port)) == 0:
                found.add(port)
    return found


def assert_closed(machine: Machine) -> None:
    assert {address: reached(address) for address in (machine.address, ipv6(machine))} == {
        machine.address: OPEN,
        ipv6(machine): OPEN,
    }


@pytest.mark.everything
def test_only_nginx_and_sshd_answer_the_network(host: Host) -> None:
    machine, project = host.machine, host.project
    give_ipv6(machine)
    listen(machine)
    assert_closed(machine)
    # The machine itself reaches them, also by its address in the network.
    for address in ("127.0.0.1", "::1", machine.address, ipv6(machine)):
        machine.run(f"timeout 5 bash -c '</dev/tcp/{address}/4001'")
    # Another firewall comes, and empties all tables whenever it starts, stops or reloads.
    machine.run("cat > /etc/nftables.conf", stdin=FLUSHES)
    for action, other in {"start": True, "restart": True, "reload": True, "stop": False}.items():
        machine.run(f"systemctl {action} nftables")
        assert_closed(machine)
        assert ("table inet other" in machine.run("nft list tables").stdout) is other
    # Somebody empties them by hand: every listener is open, and the next apply notices.
    machine.run("nft flush ruleset")
    assert reached(machine.address) == reached(ipv6(machine)) == set(PORTS)
    unlisten(machine)
    for changes in (project.planned(), project.applied()):
        assert {step: sorted(hosts) for step, hosts in changes.items()} == IN_FORCE
    listen(machine)
    assert_closed(machine)
    # The tables of a sandbox outlive its reboot, those of a computer do not.
    machine.run("nft flush ruleset")
    machine.reboot()
    listen(machine)
    assert_closed(machine)
    unlisten(machine)
    assert project.planned() == {}


@pytest.mark.everything
def test_ports_come_and_go_with_the_environments_of_the_machine(restored: Host) -> None:
    machine, project = restored.machine, restored.project

    def closed() -> list[str]:
        listing = machine.run("nft --json list set inet deploy_ports ports").stdout
        return sorted(port for port in ("4000", "4001", "4002", "4003", "4369") if port in listing)

    assert closed() == ["4000", "4001", "4369"]
    project.edit("stage", port=4002)
    project.apply("--limit", "stage").require_success()
    assert closed() == ["4000", "4002", "4369"]
    # An environment that the data does not know, and whose application may run.
    machine.run("sed s/^PORT=.*/PORT=4003/ /etc/default/billing_prod > /etc/default/shop_prod")
    assert project.applied()["Machine: closed ports: in force"] == ["stage"]
    assert closed() == ["4000", "4002", "4003", "4369"]
    machine.run("rm /etc/default/shop_prod")
    project.apply().require_success()
    assert closed() == ["4000", "4002", "4369"]


@pytest.mark.everything
def test_a_port_of_sshd_is_refused_and_nobody_is_locked_out(restored: Host) -> None:
    machine, project = restored.machine, restored.project
    machine.run("printf 'Port 22\\nPort 4005\\n' > /etc/ssh/sshd_config.d/ports.conf && systemctl restart ssh")
    project.edit("stage", port=4005)
    for arguments in (["--dry"], ["--yes"]):
        run = project.pyinfra("deploy.py", *arguments)
        assert run.exit_code == 1
        assert "sshd serves port 4005 on this machine, and closing it would lock you out" in run.output
    assert "4005" not in machine.run("nft list ruleset; cat /etc/deploy-ports.nft").stdout
    machine.run("rm /etc/ssh/sshd_config.d/ports.conf && systemctl restart ssh")
