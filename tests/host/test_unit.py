"""The unit of each environment: without a release, with mix, with Distillery. Each test continues after the last one."""

import base64
import hashlib
import os
import re
import socket
from pathlib import Path

import pytest

from tests.host.conftest import Host
from tests.host.project import Project
from tests.host.releases import (
    NAMES,
    install_distillery,
    main_pid,
    page,
    prop,
    release_command,
    rpc,
    wait_for_page,
    wait_until,
)
from tests.sandbox.machine import Machine

ENVIRONMENTS = ["stage", "prod"]
RESTARTS = "Unit: running application restarts"
RELOADS = "Unit: systemd reloads"
UNIT = "/etc/systemd/system/billing_stage.service"

# What stands on the VM's command line where the release tools put the cookie.
WORD = "see-erlang-cookie-file"

VARIABLES = {
    "QUOTES": "a \"b\" 'c' `d`",
    "DOLLARS": "$HOME ${PATH} $(id) 100% %n %%",
    "BACKSLASHES": r"\ \\ \n \" ends in \\"[:-1],
    "LINES": "one\n  two\n\nthree\n",
    "UNICODE": "grüße ✓ 😀\ttab # ; =",
    "EMPTY": "",
}
CHANGED = {
    "memory_limit": 600,
    "cpu_weight": 30,
    "task_limit": 500,
    "file_limit": 4096,
    "restart": "no",
    "unit_environment": VARIABLES,
}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def cookie_digest(machine: Machine, environment: str) -> str:
    return rpc(
        machine,
        environment,
        "Node.get_cookie() |> Atom.to_string() |> then(&:crypto.hash(:sha256, &1)) |> Base.encode16(case: :lower)"
        " |> IO.puts()",
    ).strip()


# The port mapper of each node.
EPMD = {"billing_stage": 20_672, "billing_prod": 20_640}


def ping(machine: Machine, node: str, flags: str = "", home: str = "/") -> str:
    """What a node that is none of the releases gets for an answer."""
    port = EPMD[node.partition("@")[0]]
    return machine.run(
        f"HOME={home} ERL_EPMD_PORT={port} erl -noshell -hidden -name probe@127.0.0.1 -start_epmd false {flags}"
        f' -eval \'io:format("~s", [net_adm:ping(list_to_atom("{node}"))]), halt().\''
    ).stdout


def registered(machine: Machine) -> set[str]:
    names = [machine.run(f"ERL_EPMD_PORT={port} epmd -names", check=False).stdout for port in EPMD.values()]
    return set(re.findall(r"^name (\w+) at", "".join(names), re.MULTILINE))


def test_before_the_first_release(host: Host) -> None:
    """Enabled, so that it starts at boot, but neither running nor failed, whatever one does."""
    host.machine.run("systemctl start billing_stage.service billing_prod.service")
    for environment in ENVIRONMENTS:
        assert prop(host.machine, environment, "UnitFileState") == "enabled"
        assert prop(host.machine, environment, "ActiveState") == "inactive"
        assert prop(host.machine, environment, "ConditionResult") == "no"
        assert page(host.machine, environment).status == 502
    assert host.machine.run("systemctl --failed --no-legend").stdout == ""


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_page_from_outside(running: Host, environment: str) -> None:
    assert page(running.machine, environment).text.splitlines()[:5] == [
        "version 0.1.0",
        f"environment {environment}",
        f"node billing_{environment}@127.0.0.1",
        "secrets read",
        f"host {NAMES[environment]}",
    ]


@pytest.mark.parametrize(("environment", "scheme", "port"), [("stage", "http", 80), ("prod", "https", 443)])
def test_claims_of_a_client_about_itself_are_not_passed_on(
    running: Host, environment: str, scheme: str, port: int
) -> None:
    claims = dict.fromkeys(("X_Forwarded_For", "X_Real_IP", "X_Forwarded_Host"), "192.0.2.1")
    claims |= {"X_Forwarded_Proto": "gopher", "X_Forwarded_Port": "70"}
    client = running.machine.slot.gateway
    assert page(running.machine, environment, **claims).text.splitlines()[5:10] == [
        f"forwarded for {client}",
        f"forwarded proto {scheme}",
        f"forwarded host {NAMES[environment]}",
        f"forwarded port {port}",
        f"real ip {client}",
    ]


def test_websocket_upgrade(running: Host) -> None:
    """With key and answer of RFC 6455 1.3."""
    with socket.create_connection((running.machine.address, 80), timeout=20) as connection:
        connection.sendall(
            f"GET /live/websocket HTTP/1.1\r\nHost: {NAMES['stage']}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = connection.makefile("rb").read().decode().lower()
    assert answer.startswith("http/1.1 101 ")
    assert "\r\nupgrade: websocket\r\n" in answer
    assert "\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in answer


@pytest.mark.each_release
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_cookie_is_the_vaults(running: Host, environment: str) -> None:
    assert cookie_digest(running.machine, environment) == digest(running.project.secrets(environment)["cookie"])


@pytest.mark.each_release
def test_the_cookie_is_where_no_other_user_reads_it(running: Host) -> None:
    """Neither while the application runs nor while somebody talks to it; the word in its place is in all those places."""
    cookies = [running.project.secrets(environment)["cookie"] for environment in ENVIRONMENTS]
    search = (
        "set -a; . /etc/default/billing_stage; setpriv --reuid billing_stage --regid billing_stage --clear-groups"
        " /home/billing/stage/billing/bin/billing rpc 'Process.sleep(1500)' & "
        f"until [ $(grep -lsazx '{WORD}' /proc/[0-9]*/cmdline | wc -l) = 3 ]; do :; done; set +a; cat > /run/patterns\n"
        "for unit in stage prod; do systemctl show --all billing_$unit.service; done > /run/properties\n"
        "grep -lsaF -f /run/patterns /proc/[0-9]*/cmdline /proc/[0-9]*/environ /etc/systemd/system/billing_*"
        " /etc/default/* /run/properties | sed 's|.*/||' | sort -u; wait"
    )
    assert running.machine.run(search, stdin="\n".join(cookies), timeout=30).stdout == ""
    shown = running.machine.run(search, stdin=WORD, timeout=30).stdout.splitlines()
    assert shown == ["billing_prod", "billing_stage", "cmdline", "environ"]


@pytest.mark.each_release
def test_the_vm_ignores_the_word_given_more_than_once(running: Host) -> None:
    """OTP does not document this; the cookie's secrecy rests on it."""
    arguments = running.machine.run(f"tr '\\0' '\\n' < /proc/{main_pid(running.machine, 'stage')}/cmdline").stdout
    assert arguments.split("\n").count("-setcookie") == 3
    assert arguments.split("\n").count(WORD) == 3
    node = "billing_stage@127.0.0.1"
    assert ping(running.machine, node, flags=f"-setcookie {WORD}") == "pang"
    home = running.machine.run("mktemp -d").stdout.strip()
    running.machine.run(f"install -m 400 /home/billing/stage/private/.erlang.cookie {home}")
    assert ping(running.machine, node, home=home) == "pong"
    running.machine.run(f"rm -r {home}")


@pytest.mark.each_release
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_exposure(running: Host, environment: str) -> None:
    unit = f"billing_{environment}.service"
    exposure = running.machine.run(f"systemd-analyze security --no-pager {unit}").stdout
    assert float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", exposure)[0]) <= 1.2
    verified = running.machine.run(f"systemd-analyze verify {unit}")
    assert verified.stdout + verified.stderr == ""


@pytest.mark.each_release
def test_listening_sockets(running: Host) -> None:
    """epmd, distribution and application on loopback; nothing else is open to the network than SSH and nginx."""
    listening = running.machine.run("ss -Hltn | awk '{ print $4 }'").stdout.split()
    nodes = [str(port + 1) for port in EPMD.values()]
    for port in ["4369", "4000", "4001", *map(str, EPMD.values()), *nodes]:
        assert [address for address in listening if address.endswith(f":{port}")] == [f"127.0.0.1:{port}"]


def test_open_ports_from_another_machine(running: Host) -> None:
    opened = []
    for port in range(1, 65536):
        with socket.socket() as connection:
            connection.settimeout(1)
            if connection.connect_ex((running.machine.address, port)) == 0:
                opened.append(port)
    assert opened == [22, 80, 443]


@pytest.mark.parametrize("unit", ["service", "socket"])
def test_restarting_epmd_restarts_no_application(running: Host, unit: str) -> None:
    before = [main_pid(running.machine, environment) for environment in ENVIRONMENTS]
    running.machine.run(f"systemctl restart billing_stage-epmd.{unit}")
    assert registered(running.machine) == {"billing_prod"}
    wait_until(lambda: registered(running.machine) == {"billing_stage", "billing_prod"}, "nodes register again")
    assert [main_pid(running.machine, environment) for environment in ENVIRONMENTS] == before
    assert rpc(running.machine, "stage", "IO.puts(node())") == "billing_stage@127.0.0.1\n"


def test_a_killed_application_restarts(running: Host) -> None:
    before = main_pid(running.machine, "stage")
    running.machine.run(f"kill -9 {before}")
    wait_until(lambda: prop(running.machine, "stage", "MainPID") not in {"0", str(before)}, "systemd restarts it")
    assert prop(running.machine, "stage", "NRestarts") == "1"
    wait_for_page(running.machine, "stage")


def test_appsignal_directories(running: Host) -> None:
    """AppSignal makes the last part itself, under a root that exists; some configurations need it to exist already."""
    paths = "/home/billing/stage /home/billing/stage/appsignal"
    owners = running.machine.run(f"stat -c '%U %G %a' {paths}").stdout.splitlines()
    assert owners == ["root root 755", "billing_stage billing_stage 750"]
    variable = rpc(running.machine, "stage", 'IO.puts(System.get_env("APPSIGNAL_WORKING_DIRECTORY_PATH"))')
    assert variable == "/home/billing/stage/appsignal\n"


@pytest.mark.each_release
def test_a_changed_unit_restarts_its_application_once(running: Host) -> None:
    machine, project = running.machine, running.project
    before = {environment: main_pid(machine, environment) for environment in ENVIRONMENTS}
    loaded = machine.run("systemctl show --property UnitsLoadTimestampMonotonic").stdout
    started = started_times(machine)
    project.edit("stage", **CHANGED)
    expected = {name: ["stage"] for name in ("Unit: variables", "Unit", RELOADS, RESTARTS)}
    assert project.planned("--limit", "stage") == expected
    assert project.applied() == expected
    assert machine.run("systemctl show --property UnitsLoadTimestampMonotonic").stdout != loaded
    assert main_pid(machine, "stage") != before["stage"]
    assert main_pid(machine, "prod") == before["prod"]
    assert started_times(machine) == started + 1
    wait_for_page(machine, "stage")


def started_times(machine: Machine) -> int:
    messages = machine.run("journalctl --sync; journalctl -q -o cat _PID=1 UNIT=billing_stage.service").stdout
    return len(re.findall("^Started billing_stage", messages, re.MULTILINE))


def test_a_second_apply_changes_and_reloads_nothing(running: Host) -> None:
    machine = running.machine
    before = [main_pid(machine, environment) for environment in ENVIRONMENTS]
    loaded = machine.run("systemctl show --property UnitsLoadTimestampMonotonic").stdout
    assert running.project.applied() == {}
    assert machine.run("systemctl show --property UnitsLoadTimestampMonotonic").stdout == loaded
    assert [main_pid(machine, environment) for environment in ENVIRONMENTS] == before


@pytest.mark.each_release
def test_limits_are_in_force(running: Host) -> None:
    """As data, whichever version of control groups the machine has."""
    machine = running.machine
    values = [prop(machine, "stage", name) for name in ("MemoryMax", "CPUWeight", "TasksMax", "LimitNOFILE")]
    assert values == [str(600 << 20), "30", "500", "4096"]
    assert re.search(r"^Max open files +4096 +4096 ", machine.run(
        f"cat /proc/{main_pid(machine, 'stage')}/limits").stdout, re.MULTILINE)  # fmt: skip
    group = "system.slice/system-billing_stage.slice/billing_stage.service"
    files = {"memory.limit_in_bytes": str(600 << 20), "memory.max": str(600 << 20), "pids.max": "500",
             "cpu.shares": str(30 * 1024 // 100), "cpu.weight": "30"}  # fmt: skip
    found = machine.run(f"cd /sys/fs/cgroup; for file in {' '.join(files)}; do for at in . memory cpu pids; do"
                        f" [ ! -e $at/{group}/$file ] || echo $file $(cat $at/{group}/$file); done; done")  # fmt: skip
    written = dict(line.split() for line in found.stdout.splitlines())
    assert len(written) == 3
    assert written == {name: files[name] for name in written}


@pytest.mark.each_release
def test_variables_arrive_byte_for_byte(running: Host) -> None:
    """In the process, and in a shell that reads the same file."""
    expected = {name: base64.b64encode(value.encode()).decode() for name, value in VARIABLES.items()}
    names = ", ".join(f'"{name}"' for name in VARIABLES)
    process = rpc(
        running.machine, "stage", f"for n <- [{names}], do: IO.puts([n, ?\\s, Base.encode64(System.get_env(n))])"
    )
    assert dict(line.split(" ") for line in process.splitlines()) == expected
    shell = running.machine.run(
        "set -u; . /etc/default/billing_stage\n"
        + "\n".join(f'printf "{name} %s\\n" "$(printf %s "${name}" | base64 -w0)"' for name in VARIABLES)
    ).stdout
    assert dict(line.split(" ") for line in shell.splitlines()) == expected


def test_restart_no(running: Host) -> None:
    running.machine.run(f"kill -9 {main_pid(running.machine, 'stage')}")
    wait_until(lambda: prop(running.machine, "stage", "MainPID") == "0", "it is gone")
    wait_until(lambda: prop(running.machine, "stage", "ActiveState") in {"failed", "activating"}, "systemd decided")
    assert prop(running.machine, "stage", "ActiveState") == "failed"


@pytest.mark.everything
def test_an_apply_starts_a_unit_that_failed(running: Host) -> None:
    assert running.project.planned() == {RESTARTS: ["stage"]}
    assert running.project.applied() == {RESTARTS: ["stage"]}
    wait_for_page(running.machine, "stage")


def test_an_apply_whose_restart_fails_is_a_failure_and_leaves_prod_alone(running: Host) -> None:
    machine, project = running.machine, running.project
    prod = main_pid(machine, "prod")
    project.edit("stage", secret_file_extra="raise(:boom)")
    project.edit("prod", cpu_weight=90)
    run = project.apply()
    assert run.exit_code == 1
    assert "FAILED: billing_stage.service ended by itself" in run.output
    assert ":boom" in run.output
    assert (main_pid(machine, "prod"), prop(machine, "prod", "CPUWeight")) == (prod, "90")
    assert prop(machine, "stage", "ActiveState") == "failed"
    project.edit("stage", secret_file_extra=None)
    assert project.planned()[RESTARTS] == ["stage", "prod"]
    assert project.applied()[RESTARTS] == ["stage", "prod"]
    assert main_pid(machine, "prod") != prod
    assert project.planned() == {}


@pytest.mark.everything
def test_an_apply_that_was_interrupted_before_the_reload(running: Host) -> None:
    """Even if the application was restarted since: systemd then started it as the older unit says.

    Five starts in a minute are what the unit allows; those of an apply do not count.
    """
    machine, project = running.machine, running.project
    machine.run(f"sed -i s/MemoryMax=600M/MemoryMax=601M/ {UNIT} && systemctl reset-failed billing_stage.service")
    for _ in range(5):
        machine.run("systemctl restart billing_stage.service")
        # A VM that is still starting does not react to SIGTERM, and systemd would wait 20 seconds for it.
        wait_for_page(machine, "stage")
    project.edit("stage", memory_limit=601)
    before = main_pid(machine, "stage")
    assert project.applied("--limit", "stage") == {RELOADS: ["stage"], RESTARTS: ["stage"]}
    assert main_pid(machine, "stage") != before
    assert prop(machine, "stage", "MemoryMax") == str(601 << 20)


@pytest.mark.everything
def test_an_apply_that_was_interrupted_before_the_restart(running: Host) -> None:
    machine, project = running.machine, running.project
    machine.run(f"sed -i 's/MemoryMax=[0-9]*M/MemoryMax=602M/' {UNIT} && systemctl daemon-reload")
    project.edit("stage", memory_limit=602)
    before = main_pid(machine, "stage")
    assert project.applied("--limit", "stage") == {RESTARTS: ["stage"]}
    assert main_pid(machine, "stage") != before


@pytest.mark.everything
def test_a_changed_secret_restarts_a_mix_release(running: Host) -> None:
    running.project.set_secrets("stage", greeting='say "#{hello}"')
    prod = main_pid(running.machine, "prod")
    expected = {"Secret file and database password": ["stage"], RESTARTS: ["stage"]}
    assert running.project.planned("--limit", "stage") == expected
    assert running.project.applied("--limit", "stage") == expected
    wait_for_page(running.machine, "stage")
    greeting = rpc(running.machine, "stage", "IO.puts(Application.get_env(:billing, :greeting))")
    assert greeting == 'say "#{hello}"\n'
    assert main_pid(running.machine, "prod") == prod


@pytest.mark.everything
def test_a_changed_secret_variable_restarts_once(running: Host) -> None:
    machine, project = running.machine, running.project
    value = " a \"b'\n$HOME %h #{x} # \\n é\t"
    project.edit("stage", secret_variables=["STRIPE_KEY"])
    project.set_secrets("stage", STRIPE_KEY=value)
    since = machine.run("date +%s.%6N").stdout.strip()
    expected = {"Secret file and database password": ["stage"], RESTARTS: ["stage"]}
    assert project.applied("--limit", "stage") == expected
    wait_for_page(machine, "stage")
    starts = f"journalctl --quiet --unit billing_stage.service --since @{since} --output cat | grep -c ^Started"
    assert machine.run(starts).stdout == "1\n"
    assert rpc(machine, "stage", 'IO.puts(System.fetch_env!("STRIPE_KEY"))') == f"{value}\n"
    password = project.secrets("stage")["database_password"]
    url = rpc(machine, "stage", 'IO.puts(System.fetch_env!("DATABASE_URL"))')
    assert url == f"postgres://billing_stage:{password}@127.0.0.1:5432/billing_stage\n"
    assert project.planned() == {}
    # The login shell of the application user has none of them.
    assert machine.run("env; cat /etc/default/billing_stage", user="billing").stdout.count("STRIPE_KEY") == 0


@pytest.mark.each_release
def test_both_come_up_again_after_a_reboot(running: Host) -> None:
    running.machine.reboot()
    for environment in ENVIRONMENTS:
        wait_for_page(running.machine, environment)
    assert registered(running.machine) == {"billing_stage", "billing_prod"}
    assert prop(running.machine, "stage", "NRestarts") == "0"
    assert running.machine.run("systemctl --failed --no-legend").stdout == ""


VM_ARGS = "-name billing_stage@127.0.0.1\n-smp auto\n"


def restarts_without_an_answer(project: Project) -> None:
    """An apply restarts what serves nothing: the application of the stand-in for Distillery is empty."""
    run = project.apply("--limit", "stage")
    assert f"Starting operation: {RESTARTS}" in run.output
    assert (run.exit_code, "FAILED: /health answered 502 through nginx" in run.output) == (1, True), run.output


@pytest.mark.everything
def test_distillery(running: Host, tarballs: dict[str, Path]) -> None:
    """Its `foreground` is the unit's own process, writes to its private directory alone, and uses the cookie's file."""
    machine, project = running.machine, running.project
    machine.run("rmdir /home/billing/stage/appsignal")
    install_distillery(machine, "stage", tarballs["stage"], VM_ARGS)
    project.edit("stage", release_tool="distillery", appsignal=False, health_timeout=5)
    restarts_without_an_answer(project)
    wait_until(lambda: "billing_stage" in registered(machine), "the node is up")
    assert machine.run(f"readlink /proc/{main_pid(machine, 'stage')}/exe").stdout.endswith("/bin/beam.smp\n")
    assert release_command(machine, "stage", "ping") == "pong\n"
    environ = machine.run(f"tr '\\0' '\\n' < /proc/{main_pid(machine, 'stage')}/environ").stdout
    assert "STRIPE_KEY=" in environ
    assert "DATABASE_URL=" not in environ
    assert ping(machine, "billing_stage@127.0.0.1", flags=f"-setcookie {WORD}") == "pang"
    assert machine.run("stat -c %a /home/billing/stage/private/var/vm.args").stdout == "640\n"
    assert machine.run("ls -A /home/billing/stage/releases/0.2.0-distillery").stdout.split() == [
        "bin", "erts-" + machine.run("erl -noshell -eval 'io:format(erlang:system_info(version)), halt().'").stdout,
        "lib", "releases",
    ]  # fmt: skip


@pytest.mark.everything
def test_appsignal_off_makes_no_directory(running: Host) -> None:
    assert running.machine.run("ls -A /home/billing/stage").stdout.split() == ["billing", "private", "releases"]
    assert "APPSIGNAL" not in running.machine.run("cat /etc/default/billing_stage").stdout


@pytest.mark.everything
def test_a_changed_secret_needs_a_new_build_of_a_distillery_release(running: Host) -> None:
    before = main_pid(running.machine, "stage")
    running.project.set_secrets("stage", greeting="changed")
    assert running.project.applied("--limit", "stage") == {"Secret file and database password": ["stage"]}
    assert main_pid(running.machine, "stage") == before


@pytest.mark.everything
def test_a_changed_cookie_restarts_a_distillery_release(running: Host) -> None:
    cookie = os.urandom(33).hex()
    running.project.set_secrets("stage", cookie=cookie)
    restarts_without_an_answer(running.project)
    wait_until(lambda: "billing_stage" in registered(running.machine), "the node is up")
    assert release_command(running.machine, "stage", "ping") == "pong\n"


@pytest.mark.everything
def test_a_cookie_of_distillerys_own_counts_for_nothing(running: Host, tarballs: dict[str, Path]) -> None:
    machine = running.machine
    install_distillery(machine, "stage", tarballs["stage"], f"{VM_ARGS}-setcookie foo123\n")
    machine.run("systemctl reset-failed billing_stage.service; systemctl restart billing_stage.service")
    wait_until(lambda: "billing_stage" in registered(machine), "the node is up")
    assert ping(machine, "billing_stage@127.0.0.1", flags="-setcookie foo123") == "pang"


@pytest.mark.everything
def test_sigterm_stops_a_distillery_release(running: Host) -> None:
    running.machine.run("systemctl stop billing_stage.service", timeout=20)
    assert prop(running.machine, "stage", "Result") == "success"
    assert prop(running.machine, "stage", "ExecMainStatus") == "0"
    assert registered(running.machine) == {"billing_prod"}
