"""task.sh: an expression in a unit of its own, with the settings of the application's, and never after its caller."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.unit.operations.programs.sandboxed import Sandbox, wait_for

UNIT = """\
[Unit]
Description=billing
[Service]
Type=exec
User=billing
EnvironmentFile=/etc/default/billing_stage
EnvironmentFile=/var/lib/billing_stage/variables.secret
WorkingDirectory=/home/billing/stage/billing
ExecStartPre=-/bin/rm -f x
ExecStart=/home/billing/stage/billing/bin/billing start
KillMode=mixed
TimeoutStopSec=30
Restart=on-failure
MemoryMax=1024M
ProtectSystem=strict
[Install]
WantedBy=multi-user.target
"""

# The text, for whom it is meant alone.
TEXT = "/dev/shm/text"  # noqa: S108

# systemd, as far as the program needs it: it notes what it was asked for and runs the command.
SYSTEMD_RUN = """\
printf '%s\\0' "$@" > asked
while [ "$1" != -- ]; do shift; done
shift
exec bash -c 'exec "${@//\\$\\$/\\$}"' run "$@"
"""
# Stopping ends the command.
SYSTEMCTL = 'echo "$*" > stopped\nkill "$(cat pid)"'


@pytest.fixture
def host(sandbox: Sandbox) -> Sandbox:
    (sandbox.directory / "unit").write_text(UNIT)
    sandbox.places[TEXT] = sandbox.directory / "text"
    release = sandbox.directory / "releases/0.1.0/bin"
    release.mkdir(parents=True)
    sandbox.stub("systemd-run", SYSTEMD_RUN)
    sandbox.stub("systemctl", SYSTEMCTL)
    runs(sandbox, f'echo "$1"; cat {sandbox.places[TEXT]}; cat')
    (sandbox.directory / "billing").symlink_to("releases/0.1.0")
    return sandbox


def runs(host: Sandbox, script: str) -> None:
    """The release's script does this."""
    path = host.directory / "releases/0.1.0/bin/billing"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def command(host: Sandbox, patience: str = "30", word: str = "eval") -> list[str]:
    places = [str(host.directory / "unit"), str(host.directory / "billing")]
    words = [*places, "bin/billing", word, "billing_stage-task-1.service", "900", patience]
    return host.command("task.sh", *words)


def start(host: Sandbox, expression: str = "1\0", **arguments: str) -> "subprocess.Popen[str]":
    run = subprocess.Popen(
        command(host, **arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=host.directory,
        env=host.environment,
        text=True,
    )
    assert run.stdin
    run.stdin.write(expression)
    run.stdin.flush()
    return run


def test_half_an_expression_does_not_run(host: Sandbox) -> None:
    with start(host, "File.rm_rf!(") as run:
        assert run.communicate(timeout=20)[1] == "the text did not arrive whole, and was not run\n"
        assert run.returncode == 1
    assert not (host.directory / "asked").exists()


def asked(host: Sandbox) -> list[str]:
    return (host.directory / "asked").read_text().split("\0")[:-1]


def test_the_unit_has_the_applications_settings_and_a_name_of_its_own(host: Sandbox) -> None:
    with start(host) as run:
        run.wait(20)
    words = asked(host)
    release = (host.directory / "releases/0.1.0").resolve()
    assert "--unit=billing_stage-task-1.service" in words
    assert "--property=RuntimeMaxSec=900" in words
    assert f"--property=WorkingDirectory={release}" in words
    settings = [
        "User=billing", "EnvironmentFile=/etc/default/billing_stage",
        "EnvironmentFile=/var/lib/billing_stage/variables.secret", "MemoryMax=1024M", "ProtectSystem=strict",
    ]  # fmt: skip
    properties = [word.removeprefix("--property=") for word in words if word.startswith("--property=")]
    assert properties[2:-1] == settings
    assert words[-3:-1] == [f"{release}/bin/billing", "eval"]
    assert f'"{host.places[TEXT]}"' in words[-1]
    assert "Code.eval_string(text)" in words[-1]


def test_the_release_writes_into_memory_that_the_task_alone_sees(host: Sandbox) -> None:
    # systemd lets the unit's files of variables overrule variables of the command line, so the command sets them itself.
    of_the_unit = "export RELEASE_MUTABLE_DIR=var RELEASE_TMP=tmp\nexec"
    host.stub("systemd-run", SYSTEMD_RUN.replace("exec bash", f"{of_the_unit} bash"))
    runs(host, '[ "$RELEASE_TMP" = "$RELEASE_MUTABLE_DIR" ] && echo "${RELEASE_TMP%/*}"')
    with start(host) as run:
        assert run.communicate(timeout=20)[0].rstrip() == "/dev/shm"  # noqa: S108
    assert "--property=TemporaryFileSystem=/dev/shm:mode=1777,nosuid,nodev,noexec" in asked(host)


EXPRESSIONS = ["1 + 1", "a\n  'b' \"c\" `d` \\ # %s é $HOME ${X}\n", "-1", "* ; id", "é" * 200_000]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_expression_arrives_byte_for_byte_and_in_no_argument(host: Sandbox, expression: str) -> None:
    """Also one that is longer than an argument may be. The command itself has no standard input."""
    with start(host, f"{expression}\0") as run:
        assert run.communicate(timeout=20)[0] == f"eval\n{expression}"
    assert host.places[TEXT].stat().st_mode & 0o777 == 0o600
    assert not [word for word in asked(host) if len(expression) > 2 and expression in word]


def test_a_line_of_shell_stands_in_no_argument_either(host: Sandbox) -> None:
    line = "tr '\\0' ' ' < /proc/$$/cmdline; : token-1; cat; exit 5"
    with start(host, f"{line}\0", word="shell") as run:
        assert run.communicate(timeout=20)[0] == f"/bin/sh {host.places[TEXT]} "
        assert run.returncode == 5
    assert not [word for word in asked(host) if "token-1" in word]


def test_systemd_gets_a_dollar_twice(host: Sandbox) -> None:
    with start(host) as run:
        run.communicate(timeout=20)
    assert f'umask 077 && cat > {host.places[TEXT]} && exec "$$@" < /dev/null' in asked(host)


def test_output_streams_and_the_exit_code_is_the_expressions(host: Sandbox) -> None:
    runs(host, "echo first; until [ -e go ]; do sleep 0.02; done; echo second >&2; exit 7")
    with start(host) as run:
        assert run.stdout
        assert run.stdout.readline() == "first\n"
        (host.directory / "go").touch()
        assert run.wait(20) == 7
        assert run.stderr
        assert run.stderr.read() == "second\n"
    assert not (host.directory / "stopped").exists()


def waits(host: Sandbox) -> Path:
    runs(host, "echo $$ > pid.new; mv pid.new pid; exec sleep 60")
    return host.directory / "pid"


def test_the_end_of_the_callers_input_ends_the_expression(host: Sandbox) -> None:
    pid = waits(host)
    with start(host) as run:
        wait_for(pid)
        assert run.stdin
        run.stdin.close()
        assert run.wait(20) != 0
    assert (host.directory / "stopped").read_text() == "stop billing_stage-task-1.service\n"


def test_a_silent_caller_is_gone(host: Sandbox) -> None:
    pid = waits(host)
    begin = time.monotonic()
    with start(host, patience="1") as run:
        wait_for(pid)
        assert run.wait(20) != 0
        assert time.monotonic() - begin >= 1
    assert (host.directory / "stopped").exists()


def test_a_caller_that_gives_signs_of_life_is_waited_for(host: Sandbox) -> None:
    runs(host, "echo $$ > pid; sleep 2")
    with start(host, patience="1") as run:
        assert run.stdin
        while run.poll() is None:
            run.stdin.write("\n")
            run.stdin.flush()
            time.sleep(0.2)
        assert run.returncode == 0
    assert not (host.directory / "stopped").exists()


def test_two_may_run_at_the_same_time(host: Sandbox) -> None:
    pid = waits(host)
    with start(host) as first:
        wait_for(pid)
        runs(host, "echo done")
        with start(host) as second:
            assert second.stdout
            assert second.stdout.read() == "done\n"
        assert first.poll() is None
        assert first.stdin
        first.stdin.close()


def test_without_settings_nothing_runs_as_root(host: Sandbox) -> None:
    (host.directory / "unit").write_text("[Service]\nExecStart=x\n")
    with start(host) as run:
        output, errors = run.communicate(timeout=20)
    assert (run.returncode, output) == (1, "")
    assert "names no user to run a command of 0.1.0 as: apply first" in errors
    assert not (host.directory / "asked").exists()


def test_before_the_first_release(host: Sandbox) -> None:
    (host.directory / "billing").unlink()
    done = host.execute(command(host))
    assert (done.returncode, done.stderr) == (1, f"there is no release yet: make release ENV={host.directory.name}\n")


def test_a_line_of_shell_runs_in_the_same_unit(host: Sandbox) -> None:
    with start(host, 'echo "a  $0 $#"\0', word="shell") as run:
        said, _ = run.communicate(timeout=20)
    assert "--property=ProtectSystem=strict" in asked(host)
    assert said == f"a  {host.places[TEXT]} 0\n"
