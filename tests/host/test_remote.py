"""An operator's commands for a running environment, from their own computer."""

import re
import subprocess
import sys

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import Run
from tests.host.releases import in_unit, start, wait_until
from tests.host.terminal import CTRL_C, terminal

# ssh, sudo and the release tool are the same on both releases.
pytestmark = BOOKWORM

NASTY = "a $HOME `id` $(id) 'q' \"p\" \\ %s *\n\tb & ; # é"


def remote(host: Host, *arguments: str) -> Run:
    return host.project.run(sys.executable, "-m", "commands", *arguments)


def test_before_the_first_release(host: Host) -> None:
    for action in (["ping", "stage"], ["rpc", "stage", "1"]):
        run = remote(host, *action)
        assert (run.exit_code, "there is no release yet: make release ENV=stage" in run.output) == (1, True), run.output


def test_ping(running: Host) -> None:
    assert remote(running, "ping").require_success().output.splitlines() == [
        "stage: billing_stage@127.0.0.1 answers",
        "prod: billing_prod@127.0.0.1 answers",
    ]
    running.machine.run("systemctl stop billing_stage")
    run = running.project.make("ping", "ENV=stage")
    start(running.machine, "stage")
    assert run.exit_code == 2
    assert "stage: billing_stage@127.0.0.1 does not answer: make status ENV=stage and make logs" in run.output
    assert running.project.make("ping", "ENV=production").require_success()


def test_rpc_passes_any_text_on(running: Host) -> None:
    """Through make, a shell here, ssh, a shell there and the release's own script."""
    elixir = f"IO.puts(~S|{NASTY}|)"
    assert remote(running, "rpc", "stage", elixir).require_success().output == f"{NASTY}\n"
    one_line = "IO.puts(~S|$HOME `id` $(id) 'q' \\ %s # ;|)"
    assert running.project.make("rpc", "ENV=stage", f"EXPR={one_line}").output == "$HOME `id` $(id) 'q' \\ %s # ;\n"
    assert remote(running, "rpc", "stage", "raise ~s(no)").exit_code != 0
    assert remote(running, "rpc", "stage", "a = 20\na * 2 + 2 # the answer").output == "42\n"


BESIDE = f"""IO.puts(~S|{NASTY}|)
{{user, 0}} = System.cmd("id", ["-un"])
IO.inspect({{String.trim(user), node(), System.get_env("PORT"), File.ls("/home/billing")}})
IO.puts(:stderr, "last")
System.halt(7)"""


def test_a_task_has_the_units_sandbox_and_is_not_the_node(running: Host) -> None:
    run = remote(running, "task", "stage", BESIDE)
    seen = '{"billing_stage", :nonode@nohost, "4001", {:ok, ["stage"]}}'
    assert (run.exit_code, run.output) == (7, f"{NASTY}\n{seen}\nlast\n")
    made = running.project.make("task", "ENV=stage", f"EXPR=IO.puts(~S|{NASTY}|)\nIO.puts(2)")
    assert made.output == f"{NASTY}\n2\n"
    assert remote(running, "ping", "stage").require_success()


def test_a_task_ends_with_its_command(running: Host) -> None:
    command = [sys.executable, "-m", "commands.task", "stage", "IO.puts(:begun); Process.sleep(:infinity)"]
    units = "systemctl list-units --no-legend --plain 'billing_stage-task-*' | wc -l"
    with subprocess.Popen(command, cwd=running.project.path, stdout=subprocess.PIPE, text=True) as task:
        assert task.stdout
        assert task.stdout.readline() == "begun\n"
        assert running.machine.run(units).stdout == "1\n"
        task.send_signal(2)
        assert task.wait(20) == -2
    wait_until(lambda: running.machine.run(units).stdout == "0\n", "the task is stopped")


def test_a_line_of_shell_runs_in_the_units_sandbox(running: Host) -> None:
    line = 'id -un; pwd; ls /home/billing; echo "$PORT"; test -r /var/prod.secret.exs || echo hidden; exit 5'
    run = running.project.make("exec", "ENV=stage", f"CMD={line}")
    user, place, *rest = run.output.splitlines()
    assert (user, rest[:3]) == ("billing_stage", ["stage", "4001", "hidden"]), run.output
    assert place.startswith("/home/billing/stage/releases/")
    assert run.exit_code == 2
    assert remote(running, "exec", "stage", line).exit_code == 5
    assert line not in running.machine.run("journalctl --boot --output=cat").stdout


# The application says what a key does, for whoever types as its user.
KEYS = """\
export HOME=/home/billing/stage/private
echo '"4": "9"' > ~/.inputrc
printf '4\\n' | script --quiet --command "bash --norc -c 'read -e key; echo typed \\$key'" /dev/null
"""


def test_psql_is_the_applications_role_and_nobody_more(running: Host) -> None:
    def ask(sql: str) -> Run:
        return running.project.run(sys.executable, "-m", "commands", "psql", "stage", stdin=sql)

    who = ask("select current_user, session_user, rolsuper from pg_roles where rolname = current_user; select 'é';")
    assert "billing_stage | billing_stage | f" in who.require_success().output
    assert "é" in who.output
    failed = ask("select 1/0; select 'after';")
    assert (failed.exit_code, "division by zero" in failed.output, "after" in failed.output) == (3, True, False)
    other = ask("\\connect billing_prod\n")
    assert (other.exit_code, 'permission denied for database "billing_prod"' in other.output) == (3, True), other.output
    # The control is a program that looks there.
    code, said = in_unit(running.machine, "stage", KEYS)
    assert (code, "typed 9" in said) == (0, True), said
    with terminal([sys.executable, "-m", "commands.psql", "stage"], running.project.path) as psql:
        psql.wait_until_asked("billing_stage=>")
        # The test's terminal has no lines, so everything would be longer than a page.
        psql.type("\\pset pager off\nselect 40 + 2 as answer;\n")
        psql.wait_until_asked("(1 row)")
        psql.type("\\q\n")
        assert psql.finish().exit_code == 0
    assert " 42" in psql.shown.decode()


def test_console(running: Host) -> None:
    command = [sys.executable, "-m", "commands.console", "stage"]
    with terminal(command, running.project.path) as console:
        console.wait_for("iex(billing_stage@127.0.0.1)")
        console.type("6 * 7\r")
        console.wait_for("42")
        console.type(CTRL_C)
        console.wait_for("(a)bort")
        console.type("a\r")
        console.finish()
    assert remote(running, "ping", "stage").require_success(), "leaving the console left the node running"


@pytest.mark.everything
def test_a_console_whose_input_ends_does_not_stop_the_node(running: Host) -> None:
    run = running.project.make("console", "ENV=stage")
    assert (run.exit_code, "a console needs a terminal: make rpc ENV=stage" in run.output) == (2, True), run.output
    alias = running.machine.run("sudo -iu billing bash -ic console </dev/null", check=False)
    assert (alias.returncode, "a console needs a terminal" in alias.stderr) == (1, True), alias
    assert remote(running, "ping", "stage").require_success()


def test_logs(running: Host) -> None:
    said = remote(running, "logs", "stage", "--no-follow", "--lines", "500").require_success().output
    assert "billing_stage@127.0.0.1 answers on port 4001" in said
    assert "billing_prod" not in said
    everything = remote(running, "logs", "stage", "--no-follow", "--since=-1h").require_success().output
    assert everything.endswith(said)
    assert "Started billing_stage.service" in everything
    command = [sys.executable, "-m", "commands.logs", "stage"]
    with subprocess.Popen(command, cwd=running.project.path, stdout=subprocess.PIPE, text=True) as follow:
        assert follow.stdout
        assert re.search("billing", follow.stdout.readline())
        follow.send_signal(2)
        assert follow.wait(20) == -2


def test_misuse(host: Host) -> None:
    unknown = remote(host, "ping", "nowhere")
    assert (unknown.exit_code, unknown.output) == (
        1, "there is no environment 'nowhere'; there are: stage, prod\n",
    )  # fmt: skip
    assert remote(host, "dance").exit_code == 1
    assert "Say what to run: make rpc ENV=stage" in host.project.make("rpc", "ENV=stage").output
    with host.project.moved("prod", ssh_port=1):
        refused = remote(host, "ping")
    assert (refused.exit_code, "Connection refused" in refused.output) == (1, True), refused.output


# csh ends a line within quotes and takes an exclamation mark for another command; fish takes two backslashes for one.
PICKY = """\
#!/bin/sh
case $2 in *'\\\\'* | *'!'* | *'
'*) echo "Unmatched '." >&2; exit 1 ;; esac
exec /bin/sh "$@"
"""


@pytest.mark.everything
def test_a_login_shell_that_reads_quotes_in_another_way(running: Host) -> None:
    machine, project = running.machine, running.project
    machine.run("cat > /usr/local/bin/picky && chmod 755 /usr/local/bin/picky", stdin=PICKY)
    machine.run("usermod --shell /usr/local/bin/picky devops")
    try:
        assert remote(running, "rpc", "stage", f"IO.puts(~S|{NASTY}|)").require_success().output == f"{NASTY}\n"
        assert remote(running, "ping", "stage").require_success()
        assert project.planned() == {}
        project.make("restart", "ENV=stage").require_success()
    finally:
        machine.run("usermod --shell /bin/bash devops")


def test_a_command_that_sshd_forces_is_no_answer(running: Host) -> None:
    machine = running.machine
    machine.run(
        "echo 'ForceCommand /bin/echo only git here' > /etc/ssh/sshd_config.d/forced.conf; systemctl reload ssh"
    )
    try:
        for action in (["ping", "stage"], ["rpc", "stage", "1"], ["status", "stage"]):
            run = remote(running, *action)
            assert run.exit_code == 1, run.output
            assert "the login shell of devops runs no command: only git here" in run.output
    finally:
        machine.run("rm /etc/ssh/sshd_config.d/forced.conf; systemctl reload ssh")
