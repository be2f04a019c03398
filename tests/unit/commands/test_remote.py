"""OpenSSH's command lines for an environment, and the build host of each environment."""

import base64
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyinfra.api import Inventory
from pyinfra.api.exceptions import DeployError, PyinfraError

from commands import ping, remote, rpc
from connectors.frame import ANNOUNCE
from connectors.openssh import limits
from group_data.schema.environment import Environment
from group_data.schema.inventory import read_environments
from group_data.schema.paths import CHECKOUT
from inspection.probe import in_release
from operations.host.ssh import KEPT, run_ssh, ssh
from operations.release.choice import choose_build
from tests.unit.conftest import PROD, STAGE

ACCESS = {
    "ssh_user": "devops",
    "ssh_port": 2222,
    "ssh_key": "/keys/ci key",
    "ssh_config_file": ".sandbox/ssh_config",
    "ssh_known_hosts_file": "known_hosts",
    "ssh_strict_host_key_checking": "yes",
}


def test_ssh_gets_the_inventorys_connection_data(inventory: Callable[..., Inventory]) -> None:
    host = inventory(stage=STAGE | ACCESS).get_host("stage")
    assert ssh(host, ["true"])[:-2] == [
        "ssh", "-T", "-o", "BatchMode=yes", *limits(), "-F", ".sandbox/ssh_config", "-o", "User=devops", "-o",
        'IdentityFile="/keys/ci key"', "-o", "UserKnownHostsFile=known_hosts", "-o", "StrictHostKeyChecking=yes",
        "-o", "IdentitiesOnly=yes", "-p", "2222",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "configured", "as_root"),
    [
        ({}, "root", True),
        ({}, "jane", False),
        ({"ssh_user": "root"}, "jane", True),
        ({"ssh_user": "jane"}, "root", False),
    ],
)
def test_root_needs_no_sudo_wherever_it_is_named(
    inventory: Callable[..., Inventory], tmp_path: Path, data: dict[str, str], configured: str, *, as_root: bool
) -> None:
    config = tmp_path / "config"
    config.write_text(f"Host *\n    User {configured}\n")
    host = inventory(stage=STAGE | data | {"ssh_config_file": str(config)}).get_host("stage")
    assert ("runuser" in _decoded(ssh(host, ["sudo", "-n", "-u", "billing", "true"])[-1])) == as_root


def test_without_anything_said_ssh_decides(inventory: Callable[..., Inventory]) -> None:
    host = inventory(stage=STAGE).get_host("stage")
    line = ssh(host, ["true"], terminal=True)
    assert line[:-1] == ["ssh", "-t", *limits(), "server.example.com"]
    # Without more, the name of whoever tests: root gets a function in place of sudo.
    assert _decoded(line[-1]).endswith("true")


@pytest.mark.parametrize("text", ["a b", "'", '"', "$x", "`id`", "\n", "\\", "é", "", "-e"])
def test_every_argument_arrives_as_it_is(
    inventory: Callable[..., Inventory], environment: Callable[..., Environment], text: str
) -> None:
    command = ssh(inventory(stage=STAGE).get_host("stage"), in_release(environment(), "rpc", text))[-1]
    assert shlex.split(_decoded(command))[-2:] == ["rpc", text]


def _decoded(command: str) -> str:
    """The line for sh itself, which comes through any login shell."""
    encoded = re.search(r"echo (\S+) \| base64 -d", command)
    return base64.b64decode(encoded[1]).decode() if encoded else command


@pytest.mark.parametrize(
    ("name", "on", "built"), [("", "stage", "stage"), ("prod", "prod", "prod"), ("qa", "stage", "qa")]
)
def test_the_build_host_of_an_environment(inventory: Callable[..., Inventory], name: str, on: str, built: str) -> None:
    hosts = _with_qa(inventory)
    assert choose_build(name, hosts.get_host(on), read_environments(hosts))[1].environment == built


@pytest.mark.parametrize(
    ("name", "on", "problem"),
    [
        ("qa", "qa", "qa is built on stage, not on qa: --limit stage"),
        ("prod", "stage", "prod is built on prod, not on stage"),
        (
            "staging",
            "stage",
            "BUILD=staging: there is no environment 'staging' .did you mean stage.*; there are: stage, prod, qa",
        ),
    ],
)
def test_environments_without_a_possible_build_host(
    inventory: Callable[..., Inventory], name: str, on: str, problem: str
) -> None:
    hosts = _with_qa(inventory)
    with pytest.raises(DeployError, match=problem):
        choose_build(name, hosts.get_host(on), read_environments(hosts))


def _with_qa(inventory: Callable[..., Inventory]) -> Inventory:
    qa = STAGE | {"environment": "qa", "domain": "qa.example.com", "port": 4002, "build_host": "stage"}
    return inventory(stage=STAGE, prod=PROD, qa=qa)


def test_a_terminal_gets_nothing_that_it_would_obey(
    inventory: Callable[..., Inventory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text(f"#!/bin/sh\n{ANNOUNCE}\nprintf '\\033[2Jout\\n'; printf '\\033]0;title\\007err\\n' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr("commands.remote.ssh", lambda *_, **__: [str(program)])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    shown = Terminal(), Terminal()
    monkeypatch.setattr("sys.stdout", shown[0])
    monkeypatch.setattr("sys.stderr", shown[1])
    assert remote.wait_for_ssh(inventory(stage=STAGE).get_host("stage"), ["true"], "") == 0
    assert [stream.getvalue() for stream in shown] == ["?[2Jout\n", "?]0;title?err\n"]


# Arguments: a program in place of ssh(1).
PIPED = """
import sys
from types import SimpleNamespace
from commands import remote
remote.ssh = lambda *_, **__: [sys.argv[1]]
sys.exit(remote.wait_for_ssh(SimpleNamespace(), ["true"], ""))
"""


def piped(tmp_path: Path, program: str, **arguments: Any) -> subprocess.Popen[bytes]:
    (tmp_path / "ssh").write_text(f"#!/bin/sh\n{ANNOUNCE}\n{program}\n")
    (tmp_path / "ssh").chmod(0o755)
    command = [sys.executable, "-c", PIPED, str(tmp_path / "ssh")]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, **arguments)


def test_a_pipe_gets_nothing_that_a_terminal_would_obey(tmp_path: Path) -> None:
    """The next program may be grep, or tee. Lines stay whole: it may also read JSON."""
    with piped(tmp_path, "printf '%010000d\\033[2J\\r\\n' 1") as run:
        assert run.communicate()[0] == b"0" * 9999 + b"1?[2J\n"


def test_lines_of_both_outputs_keep_their_order(tmp_path: Path) -> None:
    lines = "\n".join(f"echo {number} >&{number % 2 + 1}" for number in range(100))
    with piped(tmp_path, lines, stderr=subprocess.STDOUT) as run:
        assert run.communicate()[0].split() == [b"%d" % number for number in range(100)]


def test_a_command_ends_when_nobody_reads_it(tmp_path: Path) -> None:
    program = "while :; do echo more; done & echo $! > $0.pid; wait"
    with piped(tmp_path, f"trap 'kill $!' TERM\n{program}", stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"more\n"
        run.stdout.close()
        run.wait(20)
        assert run.stderr is not None
        assert run.stderr.read() == b""


def test_what_ran_in_place_of_the_command_is_no_success(
    inventory: Callable[..., Inventory],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """ForceCommand of sshd ends well."""
    program = tmp_path / "ssh"
    program.write_text("#!/bin/sh\necho only git here\n")
    program.chmod(0o755)
    monkeypatch.setattr("commands.remote.ssh", lambda *_, **__: [str(program)])
    monkeypatch.setattr("commands.ping.ssh", lambda *_, **__: [str(program)])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    host = inventory(stage=STAGE | ACCESS).get_host("stage")
    with pytest.raises(PyinfraError, match="the login shell of devops runs no command: only git here"):
        remote.wait_for_ssh(host, ["true"], "")
    silence = ping._silence(host, read_environments(inventory(stage=STAGE))["stage"])
    assert silence
    assert "the login shell of devops runs no command: only git here" in silence


@pytest.mark.parametrize(("code", "asked"), [(0, False), (1, True), (127, True), (2, False)])
def test_root_is_asked_about_where_sudo_may_have_refused(
    inventory: Callable[..., Inventory], monkeypatch: pytest.MonkeyPatch, code: int, *, asked: bool
) -> None:
    """127 is the shell's word for a machine without sudo."""
    monkeypatch.setattr(remote, "root_refusal", lambda _: "sudo is not installed")
    host = inventory(stage=STAGE | ACCESS).get_host("stage")
    if asked:
        with pytest.raises(PyinfraError, match="sudo is not installed"):
            remote.exit_code(code, "", host, "")
    else:
        assert remote.exit_code(code, "", host, "") == code


def test_ping_repeats_the_hosts_words_alone(
    inventory: Callable[..., Inventory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ssh"
    program.write_text(
        f"#!/bin/sh\necho noise >&2; {ANNOUNCE}; {ANNOUNCE} >&2\necho there is no release yet: x >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("commands.ping.ssh", lambda *_, **__: [str(program)])
    host = inventory(stage=STAGE | ACCESS).get_host("stage")
    environment = read_environments(inventory(stage=STAGE))["stage"]
    assert ping._silence(host, environment) == "there is no release yet: x"


@pytest.mark.parametrize("program", ["exec yes", "exec yes >&2", "while :; do echo x; sleep 0.1; done"])
def test_an_endless_answer_over_ssh_ends(tmp_path: Path, program: str) -> None:
    begin = time.monotonic()
    run = run_ssh(["sh", "-c", program], patience=2)
    assert run.returncode == -9
    assert max(len(run.stdout), len(run.stderr)) <= KEPT
    assert time.monotonic() - begin < 20


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1 + 1", "IO.inspect((\n1 + 1\n), pretty: true, limit: 500)"),
        ("a = 1\na # that", "IO.inspect((\na = 1\na # that\n), pretty: true, limit: 500)"),
        ("IO.puts(1)", "IO.puts(1)"),
    ],
)
def test_rpc_shows_a_value(expression: str, text: str) -> None:
    assert rpc.with_value(expression) == text


def test_what_rpc_runs_stands_in_no_command_line(
    inventory: Callable[..., Inventory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sudo writes command lines into the journal."""
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\n{ANNOUNCE}\nprintf "%s\\n" "$@" > {tmp_path}/words\ncat > {tmp_path}/input\n')
    program.chmod(0o755)
    monkeypatch.setattr("commands.remote.ssh", lambda _, words, **__: [str(program), *words])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    host, environments = inventory(stage=STAGE).get_host("stage"), read_environments(inventory(stage=STAGE))
    monkeypatch.setattr("commands.rpc.targets", lambda _: [(host, environments["stage"])])
    expression = "IO.puts(\"token-1\")\nIO.puts('ü')"
    run = CliRunner().invoke(rpc.command, ["stage", expression])
    assert run.exit_code == 0, run.output
    assert "token-1" not in (tmp_path / "words").read_text()
    assert (tmp_path / "input").read_text() == f"{expression}\0"
    # From a file, with nothing on this computer's command line either.
    run = CliRunner().invoke(rpc.command, ["stage", ""], input=expression)
    assert (run.exit_code, (tmp_path / "input").read_text()) == (0, f"{expression}\0"), run.output
    run = CliRunner().invoke(rpc.command, ["stage"], input="1\0 + 1")
    assert (run.exit_code != 0, "holds a NUL byte" in run.output) == (True, True), run.output
