"""The shell of the application user after a colleague's login: ssh as devops, then `sudo -iu billing`."""

import os
import select
import subprocess
import time

import pytest

from tests.host.conftest import Host
from tests.host.releases import main_pid, prop, wait_for_page
from tests.sandbox.machine import Machine

ALIASES = "/home/billing/.bash_aliases"

TRICKY = {
    "quotes": "printf '%s|' 'a b' \"c 'd'\" e\\ f",
    "expansions": 'printf "%s|" "$HOME" "$((1 + 1))" "$(echo `echo sub`)" \'$HOME\' 100%',
    "specials": r"printf '%s|' '\n' \\ '\\' '&' '~' '*' # a comment",
}
PRINTED = {
    "quotes": "a b|c 'd'|e f|",
    "expansions": "/home/billing|2|sub|$HOME|100%|",
    "specials": r"\n|\|\\|&|~|*|",
}


def shell(machine: Machine, *lines: str) -> str:
    """What an interactive login shell of the application user prints for these lines; its prompt goes elsewhere."""
    return machine.ssh("sudo -iu billing bash -i", stdin="".join(f"{line}\n" for line in lines), timeout=60).stdout


def test_the_environments_name_changes_to_its_directory(host: Host) -> None:
    """Before the first release, when there is nothing but the root."""
    lines = shell(host.machine, "cd /; stage; pwd", "cd /; prod; pwd").splitlines()
    assert lines == ["/home/billing/stage", "/home/billing/prod"]


def test_the_environments_name_changes_to_its_release(running: Host) -> None:
    lines = shell(running.machine, "cd /; stage; pwd", "prod && bin/billing version", "pwd").splitlines()
    assert lines == ["/home/billing/stage/billing", "billing 0.1.0", "/home/billing/prod/billing"]


def test_logs(running: Host) -> None:
    """The application's own lines, although it runs as another user."""
    assert shell(running.machine, "id -nG").split() == ["billing", "systemd-journal"]
    running.machine.run("journalctl --sync")
    shown = shell(running.machine, "alias logs='timeout 1 '\"${BASH_ALIASES[logs]}\"", "logs; true")
    assert "billing_stage@127.0.0.1 answers on port 4001" in shown
    assert "port 4000" not in shown


def test_status(running: Host) -> None:
    shown = shell(running.machine, "status")
    assert "Active: active (running)" in shown
    assert f"Main PID: {main_pid(running.machine, 'stage')} " in shown


@pytest.mark.parametrize("terminal", [pytest.param(True, marks=pytest.mark.everything), False])
def test_restart_without_a_password(running: Host, terminal: bool) -> None:
    stage, prod = main_pid(running.machine, "stage"), main_pid(running.machine, "prod")
    line = "script -qec 'bash -ic restart' /dev/null </dev/null" if terminal else "restart"
    assert "status 0" in shell(running.machine, line, "echo status $?")
    assert main_pid(running.machine, "stage") != stage
    assert main_pid(running.machine, "prod") == prod
    wait_for_page(running.machine, "stage")


def test_stop_and_start_without_a_password(running: Host) -> None:
    assert shell(running.machine, "systemctl stop billing_prod; echo $?") == "0\n"
    assert prop(running.machine, "prod", "ActiveState") == "inactive"
    assert shell(running.machine, "systemctl start billing_prod; echo $?") == "0\n"
    wait_for_page(running.machine, "prod")


def test_nothing_else_is_the_application_users_to_manage(running: Host) -> None:
    machine = running.machine
    units = ["nginx", "ssh", "postgresql", "billing_stage-epmd.socket", "systemd-journald"]
    pids = machine.run(f"systemctl show --property MainPID,ActiveState {' '.join(units)}").stdout
    refused = [f"systemctl {verb} {unit}" for unit in units for verb in ("restart", "stop")]
    refused += ["systemctl disable billing_stage", "systemctl mask billing_stage", "systemctl daemon-reload"]
    refused += [
        "systemctl set-property billing_stage MemoryMax=infinity",
        "systemctl kill billing_stage",
        "systemctl reboot",
    ]
    refused += ["systemd-run true", "sudo -n true"]
    codes = shell(machine, *[f"{command} </dev/null >/dev/null 2>&1; echo $?" for command in refused]).splitlines()
    assert len(codes) == len(refused)
    assert [command for command, code in zip(refused, codes, strict=True) if code == "0"] == []
    assert machine.run(f"systemctl show --property MainPID,ActiveState {' '.join(units)}").stdout == pids


def test_console_reaches_the_running_node(running: Host) -> None:
    """On a terminal, since the shell of OTP 25 joins no other node without one."""
    command = ["ssh", "-tt", "-F", str(running.machine.ssh_config), running.machine.name]
    command += ["sudo -iu billing TERM=xterm bash -ic console"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as console:
        assert console.stdin
        shown = _read_until(console, b")1> ")
        console.stdin.write(b'IO.puts(["answers ", inspect(node()), " ", System.get_env("PORT")])\r')
        console.stdin.flush()
        shown += _read_until(console, b"4001")
        console.kill()
    assert b'answers :"billing_stage@127.0.0.1" 4001' in shown.replace(b"\r\n", b"")
    assert prop(running.machine, "stage", "ActiveState") == "active"


def _read_until(process: subprocess.Popen[bytes], end: bytes, seconds: float = 20) -> bytes:
    assert process.stdout
    read, deadline = b"", time.monotonic() + seconds
    while end not in read:
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        chunk = os.read(process.stdout.fileno(), 4096) if ready else b""
        assert chunk, f"no {end!r} in {read!r}"
        read += chunk
    return read


@pytest.mark.everything
def test_other_lines_of_the_file_stay(running: Host) -> None:
    """Byte for byte around and between the blocks; a removed alias goes, one in need of quoting works."""
    machine, project = running.machine, running.project
    before = machine.run(f"cat {ALIASES}").stdout
    assert before.count("alias stage=") == before.count("alias prod=") == 1
    above = "# ours\nalias ll='ls -l'  \n\n\t# echo \"$HOME\" & \\\\ \\n\n"
    below = "\n\nalias gs='git status'  \n\n"
    machine.run(f"cat > {ALIASES}", stdin=above + before + below)
    project.edit("stage", aliases={"logs": "journalctl --unit {unit}", **TRICKY})
    assert project.applied("--limit", "stage") == {"Bash aliases": ["stage"]}
    after = machine.run(f"cat {ALIASES}").stdout
    assert after.startswith(above)
    assert after.endswith(below)
    assert [line for line in after.splitlines() if "alias restart=" in line or "alias console=" in line] == []
    block = "billing_prod, managed by the deploy repository"
    assert after.count(block) == before.count(block) == 2
    assert machine.run(f"stat -c '%U %a' {ALIASES}").stdout == "billing 644\n"
    lines = shell(
        machine, *[line for name in TRICKY for line in (name, "echo")], "cd /; prod; pwd", "alias ll"
    ).splitlines()
    assert lines == [*PRINTED.values(), "/home/billing/prod/billing", "alias ll='ls -l'"]
    assert project.applied("--limit", "stage") == {}


@pytest.mark.everything
def test_a_block_that_lost_its_end_is_refused_rather_than_guessed(host: Host) -> None:
    """The lines after it are the team's: pyinfra's own operation would take them away."""
    machine = host.machine
    machine.run(f"cp -p {ALIASES} {ALIASES}.saved && sed -i '/^# END billing_stage,/d' {ALIASES}")
    machine.run(f"echo \"alias ours='true'\" >> {ALIASES} && sed -i 's/^alias logs=.*/alias logs=true/' {ALIASES}")
    before = machine.run(f"cat {ALIASES}").stdout
    run = host.project.apply()
    after = machine.run(f"cat {ALIASES}").stdout
    machine.run(f"mv {ALIASES}.saved {ALIASES}")
    assert run.exit_code == 1
    assert "# END billing_stage, managed by the deploy repository" in run.output
    assert "put it back" in run.output
    assert "Traceback" not in run.output
    assert after == before
    assert host.project.planned() == {}
