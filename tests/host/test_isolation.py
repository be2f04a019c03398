"""The limits of one environment's application, and of other users of the machine, towards the other environment."""

import secrets
import shlex
import socket
import subprocess
import sys
from threading import Thread

import pytest

from tests.host.conftest import Host
from tests.host.releases import in_unit, main_pid, rpc

# What every process may write to, in the unit private to it.
SCRATCH = ["/dev/mqueue", "/dev/shm", "/tmp", "/var/tmp"]  # noqa: S108

PROD_PATHS = [
    "/var/prod.secret.exs",
    "/var/lib/billing_prod/variables.secret",
    "/home/billing/prod/private/.erlang.cookie",
    "/home/billing/prod/billing/bin/billing",
]


def psql(database: str, role: str, password: str) -> str:
    """A shell command that logs in as the application does."""
    return f"PGPASSWORD={shlex.quote(password)} psql -XAt -h 127.0.0.1 -U {role} -d {database} -c 'SELECT current_user'"


@pytest.mark.parametrize("path", PROD_PATHS)
def test_stage_cannot_read_prods_files(running: Host, path: str) -> None:
    """As root outside the unit they are there to be read."""
    running.machine.run(f"test -s {path} && cat {path} >/dev/null")
    code, output = in_unit(running.machine, "stage", f"cat {path}")
    assert code != 0
    assert any(reason in output for reason in ("Permission denied", "No such file"))


def test_stage_sees_of_home_its_own_root_alone(running: Host) -> None:
    assert {"stage", "prod"} <= set(running.machine.run("ls /home/billing").stdout.split())
    assert in_unit(running.machine, "stage", "ls -A /home /home/billing /root") == (
        0,
        "/home:\nbilling\n\n/home/billing:\nstage\n\n/root:\n",
    )


def test_stage_reads_its_own_files(running: Host) -> None:
    """The same commands as above: nothing but the environment decides. systemd alone reads the secret variables."""
    own = (path.replace("prod", "stage") for path in PROD_PATHS)
    paths = " ".join(path for path in own if not path.endswith("/variables.secret"))
    assert in_unit(running.machine, "stage", f"cat {paths} >/dev/null") == (0, "")


def test_stage_sees_no_process_but_its_own(running: Host) -> None:
    prod, stage = main_pid(running.machine, "prod"), main_pid(running.machine, "stage")
    assert "RELEASE_NODE=billing_prod" in running.machine.run(f"tr '\\0' '\\n' < /proc/{prod}/environ").stdout
    seen = in_unit(running.machine, "stage", "ls /proc")[1].split()
    assert str(stage) in seen
    assert str(prod) not in seen
    assert "1" not in seen
    code, output = in_unit(running.machine, "stage", f"cat /proc/{prod}/environ")
    assert code != 0
    assert "billing_prod" not in output


@pytest.mark.parametrize("path", ["/etc", "/usr/local", "/var", "/home", "/home/billing", "/root", "/run/lock", "/opt"])
def test_stage_writes_nowhere_else(running: Host, path: str) -> None:
    code, output = in_unit(running.machine, "stage", f"touch {path}/written-by-stage")
    assert code != 0
    assert "Read-only file system" in output or "Permission denied" in output
    running.machine.run(f"touch {path}/written && rm {path}/written")


def test_stage_writes_in_its_own_directories(running: Host) -> None:
    assert in_unit(running.machine, "stage", "touch /home/billing/stage/appsignal/written") == (0, "")
    running.machine.run("rm /home/billing/stage/appsignal/written")


@pytest.mark.parametrize("path", SCRATCH)
def test_directories_that_both_may_write_to_are_separate(running: Host, path: str) -> None:
    assert in_unit(running.machine, "prod", f"touch {path}/of-prod && ls {path}") == (0, "of-prod\n")
    assert in_unit(running.machine, "stage", f"ls {path}") == (0, "")
    assert "of-prod" not in running.machine.run(f"ls {path}").stdout
    in_unit(running.machine, "prod", f"rm {path}/of-prod")


def test_nothing_else_is_writable(running: Host) -> None:
    """Directories, as the kernel answers access(2) to the application."""
    search = "find / -type d -writable -not -path '/proc/*' -not -path '/home/billing/stage/private*' 2>/dev/null"
    found = in_unit(running.machine, "stage", search)[1].split()
    assert sorted(found) == sorted(["/home/billing/stage/appsignal", *SCRATCH])


def test_stage_cannot_change_its_own_unit(running: Host) -> None:
    unit = "/etc/systemd/system/billing_stage.service"
    code, _ = in_unit(running.machine, "stage", f"echo >> {unit}")
    assert code != 0


def test_stage_cannot_stop_prod(running: Host) -> None:
    """The application user may, from a shell: the unit is kept off the bus."""
    prod = main_pid(running.machine, "prod")
    code, output = in_unit(running.machine, "stage", "systemctl restart billing_prod.service")
    assert code != 0
    assert "bus" in output
    assert main_pid(running.machine, "prod") == prod
    running.machine.run("systemctl restart billing_prod.service", user="billing")
    assert main_pid(running.machine, "prod") != prod


def test_stage_cannot_read_prods_logs(running: Host) -> None:
    """The application user may, from a shell: its journal is out of the unit's sight."""
    read = "journalctl --quiet --output cat --unit billing_prod.service"
    running.machine.run("journalctl --sync")
    assert "answers on port 4000" in running.machine.run(read, user="billing").stdout
    assert "answers on port" not in in_unit(running.machine, "stage", read)[1]


def test_databases(running: Host) -> None:
    stage, prod = (running.project.secrets(name)["database_password"] for name in ("stage", "prod"))
    machine = running.machine
    assert in_unit(machine, "stage", psql("billing_stage", "billing_stage", stage)) == (0, "billing_stage\n")
    code, output = in_unit(machine, "stage", psql("billing_prod", "billing_stage", stage))
    assert code != 0
    assert 'permission denied for database "billing_prod"' in output
    assert machine.run(psql("billing_prod", "billing_prod", prod)).stdout == "billing_prod\n"


def test_outbound_connections(running: Host) -> None:
    """To an address outside the machine, as to a payment provider."""
    with socket.create_server((running.machine.slot.gateway, 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        answer = Thread(target=lambda: listener.accept()[0].sendall(b"welcome\n"))
        answer.start()
        command = f"exec 3<>/dev/tcp/{running.machine.slot.gateway}/{port} && head -n 1 <&3"
        reached = in_unit(running.machine, "stage", f"timeout 10 bash -c {shlex.quote(command)}")
        answer.join()
    assert reached == (0, "welcome\n")


def test_another_local_user_learns_nothing(running: Host) -> None:
    """Root reads all of it."""
    machine = running.machine
    machine.run("useradd --create-home mallory")
    pid = main_pid(machine, "stage")
    paths = [
        "/var/stage.secret.exs",
        "/var/lib/billing_stage/variables.secret",
        "/home/billing/stage/private/.erlang.cookie",
        "/home/billing/.bash_aliases",
        f"/proc/{pid}/environ",
    ]
    for path in paths:
        assert machine.run(f"cat {path}").stdout != ""
        read = machine.run(f"cat {path}", user="mallory", check=False)
        assert (read.returncode, read.stdout) == (1, "")
        assert "Permission denied" in read.stderr
    for directory in ("/home/billing", "/home/billing/stage", "/home/billing/stage/private"):
        assert machine.run(f"ls -A {directory}").stdout != ""
        assert machine.run(f"ls -A {directory}", user="mallory", check=False).returncode != 0
    stopped = machine.run("systemctl stop billing_stage.service", user="mallory", check=False)
    assert stopped.returncode != 0
    assert main_pid(machine, "stage") == pid


def test_the_node_runs_as_the_application_user_without_privileges(running: Host) -> None:
    status = in_unit(running.machine, "stage", "cat /proc/self/status")[1]
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    uid = running.machine.run("id -u billing_stage").stdout.strip()
    assert fields["Uid"].split() == [uid] * 4
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"
    assert rpc(running.machine, "stage", 'IO.puts(System.get_env("HOME"))') == "/home/billing/stage/private\n"


# Texts of an operator, which say a word and then go on for a while.
TEXTS = {
    "rpc": "IO.puts(:begun); Process.sleep(3000); IO.puts(~s({}))",
    "task": "IO.puts(:begun); Process.sleep(3000); IO.puts(~s({}))",
    "exec": "echo begun; sleep 3; echo {}",
}
# Where a user of the machine might find one: lists of processes, settings of units, the journal. `grep` has it from a file.
LOOK = """\
cat > /tmp/needle
for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' < "$file"; done 2> /dev/null | grep -f /tmp/needle
systemctl show '*.service' | grep -f /tmp/needle
journalctl --quiet --boot --output json --all | grep -f /tmp/needle
"""


@pytest.mark.parametrize("word", TEXTS)
def test_no_user_of_the_machine_sees_the_text_of_an_operator(running: Host, word: str) -> None:
    machine, needle = running.machine, secrets.token_hex(16)

    def seen() -> str:
        return machine.run(LOOK, user="billing", stdin=f"{needle}\n", check=False).stdout

    line = [sys.executable, "-m", "commands", word, "stage"]
    with subprocess.Popen(
        line, cwd=running.project.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin
        assert run.stdout
        run.stdin.write(TEXTS[word].format(needle))
        run.stdin.close()
        assert run.stdout.readline() == "begun\n"
        assert seen() == ""
        assert run.stdout.read() == f"{needle}\n"
    assert run.returncode == 0
    assert seen() == ""
    # The control: the words of a unit.
    machine.run(f"systemd-run --quiet --collect --unit shown sh -c 'sleep 30; exit' {needle}")
    found = seen()
    machine.run("systemctl stop shown")
    assert [f"sh -c sleep 30; exit {needle}" in found, "argv[]=" in found, "_CMDLINE" in found] == [True, True, True]
