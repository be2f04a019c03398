"""An operator's commands for a running environment, from their own computer."""

import re
import subprocess
import sys

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import Run
from tests.host.releases import start, wait_until
from tests.host.terminal import CTRL_C, terminal

# ssh, sudo and the release tool are the same on both releases.
pytestmark = BOOKWORM

NASTY = "a $HOME `id` $(id) 'q' \"p\" \\ %s *\n\tb & ; # é"


def remote(host: Host, *arguments: str) -> Run:
    return host.project.run(sys.executable, "-m", "commands", *arguments)


def test_before_the_first_release(host: Host) -> None:
    for action in (["ping", "stage"], ["rpc", "stage", "1"]):
        run = remote(host, *action)
        assert (run.exit_code, "there is no release yet: make release" in run.output) == (1, True), run.output


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
