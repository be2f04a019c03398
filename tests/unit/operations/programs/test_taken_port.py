"""switch.sh where a neighbour has a port of the environment: the release is not to blame, and no request delays it."""

import os
import socket
import subprocess
from collections.abc import Callable

import pytest

from operations.host import program
from tests.unit.operations.programs.stubs import StubHost
from tests.unit.operations.programs.test_stand_in import STARTS, SYSTEMCTL, answer, with_standin

Make = Callable[..., StubHost]

# The kernel, by the ports in the file `taken`.
PERL = """\
case "$*" in
    *IN6ADDR_ANY*) shift 4; for port; do grep -x "$port" "$HOST/taken"; done; true ;;
    *) exec /usr/bin/perl "$@" ;;
esac
"""
NODES = range(20673, 20703)


def take(host: StubHost, *ports: int) -> None:
    """Programs that listen nowhere have these ports."""
    host.stub("perl", PERL)
    (host.path / "taken").write_text("".join(f"{port}\n" for port in ports))


def test_a_stand_in_whose_port_is_taken_is_not_started(stub_host: Make) -> None:
    host = with_standin(stub_host)
    take(host, 20703)
    words = host.run("release", "0.2.0")
    assert words.splitlines()[-1] == (
        "release 0.2.0: FAILED: another program has port 20703. End what has it: ss -ltnp shows it; this says nothing "
        "against the release"
    )
    assert (host.called(STARTS), host.current, host.log) == (0, "0.1.0", ["release 0.2.0 ended"])


@pytest.mark.parametrize("port", [20703, 4001])
def test_a_port_that_is_taken_meanwhile_says_nothing_against_the_version(stub_host: Make, port: int) -> None:
    host = with_standin(stub_host)
    host.set("health_timeout", 0)
    take(host)
    name = {20703: "standin_answers", 4001: "unit_answers"}[port]
    answer(host, name, "")
    # A neighbour takes it when the process starts.
    start = {20703: "systemd-run", 4001: "systemctl"}[port]
    body = (host.bin / start).read_text().partition("\n")[2].partition("\n")[2]
    begins = {20703: "*--unit=billing_stage-standin*", 4001: '"restart billing_stage.service"'}[port]
    host.stub(start, f'case "$*" in {begins}) echo {port} > "$HOST/taken"; : > "$HOST/sockets" ;; esac\n{body}')
    words = host.run("release", "0.2.0")
    assert f"; another program has port {port}. End what has it" in words.splitlines()[-1]
    assert host.log == ["release 0.2.0 ended"]
    # The control: the same release where nobody has the port.
    host = with_standin(stub_host)
    host.set("health_timeout", 0)
    answer(host, name, "")
    host.run("release", "0.2.0")
    assert host.log == ["release 0.2.0 failed"]


def test_all_ports_of_a_node_that_are_taken_say_nothing_either(stub_host: Make) -> None:
    host = stub_host(release_strategy="restart")
    host.set("health_timeout", 0)
    host.listen("127.0.0.1:4001")
    host.stub("curl", "printf 500\n")
    take(host, *NODES[1:])
    assert "ports of the node" not in host.run("release", "0.2.0")
    take(host, *NODES)
    words = host.run("release", "0.2.0").splitlines()[-1]
    assert "; other programs have all ports of the node, 20673 to 20702. End what has it" in words
    assert host.log == ["release 0.2.0 failed", "release 0.2.0 ended"]


def taken(*ports: int) -> list[int]:
    """What the program itself says of the ports of this computer."""
    text = f"{program.text('taken_port.sh')}\ntaken {' '.join(map(str, ports))}"
    run = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
    return [int(line) for line in run.stdout.split()]


@pytest.mark.parametrize("listens", [True, False])
@pytest.mark.parametrize("place", ["127.0.0.1", "127.0.0.9", "0.0.0.0", "::1"])  # noqa: S104
def test_a_port_is_taken_by_whoever_has_it_and_at_any_address(place: str, listens: bool) -> None:
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    with socket.socket(family) as other, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        unused = free.getsockname()[1]
        free.close()
        try:
            other.bind((place, 0))
        except OSError:
            pytest.fail(f"this computer has no address {place}")
        if listens:
            other.listen()
        port = other.getsockname()[1]
        assert taken(port, unused) == [port]
    assert taken(port) == []


# As `ss --extended` writes connections: root's are without a number.
OWN = f"uid:{os.getuid()} " if os.getuid() else ""
OTHER = f"uid:{os.getuid() + 1} "
CONNECTIONS = {
    f"SYN-SENT 0 1 127.0.0.1:50000 127.0.0.1:4001 timer:(on,1sec,0) {OTHER}ino:1 sk:1 <->": False,
    f"SYN-SENT 0 1 127.0.0.1:50000 127.0.0.1:4001 timer:(on,1sec,0) {OWN}ino:1 sk:1 <->": True,
    f"ESTAB 0 0 127.0.0.1:50000 127.0.0.1:4001 {OTHER}ino:1 sk:1 <->": True,
}


@pytest.mark.parametrize("line", CONNECTIONS)
def test_a_neighbour_that_is_not_let_in_keeps_no_release_waiting(stub_host: Make, line: str) -> None:
    host = with_standin(stub_host, drain_time=1)
    host.stub("ss", f'case "$*" in *established*) echo "{line}" ;; *) cat "$HOST/sockets" ;; esac\n')
    host.stub("sleep", "exec /bin/sleep 0.2\n")
    # In the place of nginx: this process, whose children have its user.
    host.stub("systemctl", f'case "$*" in *nginx.service) echo {os.getpid()}; exit ;; esac\n{SYSTEMCTL}')
    words = host.run("release", "0.2.0")
    assert ("still go on after" in words) == CONNECTIONS[line]
    assert words.splitlines()[-1] == "release 0.2.0: done"
