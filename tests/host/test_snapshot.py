"""What `@snapshot/` guarantees: few exchanges, nothing stale, nothing but commands on disk, and no run that breaks by it.

Most deploys here are made for the purpose. `Watched` makes what an operation sees of the host show in the output.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.host.conftest import TRIXIE, Prepared
from tests.host.project import Project, Run
from tests.host.terminal import Terminal, terminal
from tests.sandbox.machine import Machine, boot

pytestmark = TRIXIE

HEAD = """\
import os
from collections.abc import Generator
from io import StringIO

from pyinfra import config, host, logger, state
from pyinfra.api import FactBase, HiddenValue, QuoteString, StringCommand, operation
from pyinfra.facts.files import File
from pyinfra.facts.server import Hostname
from pyinfra.operations import files, python, server

config.SUDO = True
host.get_fact(Hostname)


class Text(FactBase[str]):
    def command(self, text: object) -> StringCommand:
        return StringCommand(text)


@operation()
def watched(label: str) -> Generator[StringCommand]:
    if state.is_executing:
        found = host.get_fact(File, path="/srv/thing")
        host.log(f"{label}: {'there' if found else 'missing'}.", logger.info)
    yield from ()


"""

# What changes the machine without pyinfra's `server.shell`: an upload, a callback, a fact that nobody asked before.
MOVES = {
    "command": 'server.shell(name="Move", commands=["touch /srv/thing"])',
    "upload": 'files.put(name="Move", src=StringIO("x"), dest="/srv/thing")',
    "callback": 'python.call(name="Move", function=lambda: host.run_shell_command("sudo touch /srv/thing"))',
    # One that writes only in the run it is of: what is remembered of the run before is asked again, whenever it pleases.
    "unknown fact": (
        'host.run_shell_command(f"echo {os.getpid()} > /tmp/run")\n'
        'text = f"[ $(cat /tmp/run) != {os.getpid()} ] || touch /srv/thing; echo x"\n'
        'python.call(name="Move", function=lambda: host.get_fact(Text, text))'
    ),
}


@dataclass(frozen=True)
class Watched:
    """A machine whose sshd notes what is run, and a project for it whose deploy.py a test writes."""

    machine: Machine
    project: Project

    def deploy(self, text: str) -> None:
        """From now on deploy.py does this, after HEAD; nothing is remembered of another one."""
        (self.project.path / "deploy.py").write_text(HEAD + text)
        shutil.rmtree(self.project.path / ".cache", ignore_errors=True)

    def apply(self, *arguments: str) -> list[tuple[str, str, str]]:
        """What `watched` said, of an apply that must succeed, on a machine without the thing."""
        self.machine.run("rm -f /srv/thing")
        return said(self.project.apply(*arguments).require_success())

    @contextmanager
    def to_confirm(self) -> Iterator[Terminal]:
        """An apply of `stage` that has prepared and waits for somebody to go on."""
        command = [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py", "--limit", "stage"]
        with terminal(command, self.project.path, XDG_CACHE_HOME=str(self.project.path / ".cache")) as run:
            run.wait_for("Detected changes")
            yield run

    def set(self, file: str, name: str, value: int) -> None:
        """Give a constant of the project's copy another value, for the length of a test."""
        path = self.project.path / file
        text, replaced = re.subn(rf"^{name} = [\d *]+$", f"{name} = {value}", path.read_text(), flags=re.MULTILINE)
        assert replaced == 1
        path.write_text(text)

    @property
    def remembered(self) -> str:
        """The text of all files in the cache."""
        cache = self.project.path / ".cache"
        return "".join(path.read_text() for path in cache.rglob("*") if path.is_file())

    @contextmanager
    def counted(self) -> Iterator[dict[str, int]]:
        """Filled at the end of the block: connections, and what was run over them."""
        mark = self.machine.run("date +%s.%N").stdout.strip()
        counts: dict[str, int] = {}
        yield counts
        # Not of the unit: a process that has opened a session is in the session's scope.
        log = self.machine.run(f"journalctl --sync; journalctl -t sshd -t sshd-session -o cat --since @{mark}").stdout
        counts["connections"] = log.count("Accepted publickey for devops")
        counts["exchanges"] = log.count("Starting session: ")


def said(run: Run) -> list[tuple[str, str, str]]:
    """What `watched` said: host, label, and what it found."""
    return re.findall(r"\[(\w+)\]\S*\s+(\S.*): (there|missing)\.", re.sub(r"\x1b\[[\d;]*m", "", run.output))


@pytest.fixture(scope="module")
def watching(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    project = Project.copy(tmp_path_factory.mktemp("watched") / "project", prepared.vaults)
    with boot(release=prepared.release, directory=project.sandbox, layers=[prepared.layer]) as machine:
        machine.run("echo LogLevel VERBOSE > /etc/ssh/sshd_config.d/verbose.conf; systemctl reload ssh")
        yield Watched(machine, project)


@pytest.fixture
def watched(watching: Watched) -> Iterator[Watched]:
    """The module's, with the whole deploy and nothing remembered; what a test edits is put back."""
    names = ("deploy.py", "inventory.py", "connectors/snapshot.py", "connectors/exchange.py")
    saved = {path: path.read_text() for path in (watching.project.path / name for name in names)}
    shutil.rmtree(watching.project.path / ".cache", ignore_errors=True)
    yield watching
    for path, text in saved.items():
        path.write_text(text)
    watching.machine.run("rm -rf /srv/thing /srv/notes /srv/d*")


# --- Few exchanges ------------------------------------------------------------------------------------------------------


def test_a_plan_is_one_exchange_and_an_apply_two(watched: Watched) -> None:
    with watched.counted() as first:
        assert watched.project.planned() == {}
    assert watched.project.applied() == {}
    with watched.counted() as plan:
        assert watched.project.planned() == {}
    with watched.counted() as apply:
        assert watched.project.applied() == {}
    assert first["exchanges"] > 100
    assert plan == {"connections": 1, "exchanges": 1}
    assert apply == {"connections": 1, "exchanges": 2}


@pytest.mark.everything
def test_exchanges_do_not_increase_after_a_run_with_changes(watched: Watched) -> None:
    assert watched.project.applied() == {}
    watched.machine.run("echo '# drifted' >> /etc/nginx/sites-available/billing_stage")
    assert watched.project.applied() != {}
    with watched.counted() as counts:
        assert watched.project.applied() == {}
    assert counts == {"connections": 1, "exchanges": 2}


@pytest.mark.everything
def test_a_deploy_that_is_slow_to_ask_is_answered_from_the_same_look(watched: Watched) -> None:
    """As it is where many machines are connected to before the first of them is asked."""
    watched.deploy("")
    deploy = watched.project.path / "deploy.py"
    deploy.write_text(f"import time\ntime.sleep(2)\n{deploy.read_text()}")
    for _ in range(2):
        with watched.counted() as counts:
            watched.project.planned("--limit", "stage")
    assert counts == {"connections": 1, "exchanges": 1}


def test_the_next_session_is_open_before_a_command_ends(watched: Watched) -> None:
    """So that over a distance the next command takes one round trip, not two."""
    debug = "/etc/ssh/sshd_config.d/debug.conf"
    watched.machine.run(f"echo LogLevel DEBUG1 > {debug} && systemctl reload ssh && date +%s.%N > /run/mark")
    watched.deploy("for i in range(5):\n    server.shell(name=f'Command {i}', commands=['sleep 0.5'])\n")
    watched.project.apply("--limit", "stage").require_success()
    log = watched.machine.run(
        f"rm {debug}; systemctl reload ssh; journalctl --sync;"
        " journalctl -t sshd -t sshd-session -o cat --since @$(cat /run/mark)"
    ).stdout
    events = re.findall(r"^(?:debug1: )?(session_new|Starting session|Close session): ", log, re.MULTILINE)
    waiting = [
        events[:i].count("session_new") - events[:i].count("Starting session")
        for i, event in enumerate(events)
        if event == "Close session"
    ]
    # A command that ends at once may do so before sshd has come to the next session; those that sleep do not.
    assert max(waiting) == 1, events
    assert waiting.count(1) >= 5, events


@pytest.mark.everything
def test_there_are_no_more_when_the_operations_double(watched: Watched) -> None:
    counts = []
    for number in (10, 20):
        watched.deploy(
            f"for i in range({number}):\n"
            "    files.directory(name=f'Directory {i}', path=f'/srv/d{i}', mode='700')\n"
            "    files.put(name=f'File {i}', src=StringIO(str(i)), dest=f'/srv/d{i}/file')\n"
        )
        for _ in range(2):
            watched.project.apply("--limit", "stage").require_success()
        watched.project.planned("--limit", "stage")
        with watched.counted() as plan:
            assert watched.project.planned("--limit", "stage") == {}
        with watched.counted() as apply:
            assert watched.project.applied("--limit", "stage") == {}
        counts.append((plan, apply))
    assert counts[0] == counts[1]
    assert counts[0][0]["exchanges"] == 1
    assert counts[0][1]["exchanges"] == 2


def test_unused_questions_are_not_asked_again_in_executing(watched: Watched) -> None:
    asks = 'host.get_fact(Text, "echo asked >> /run/{}; echo x")'
    watched.deploy(
        f"{asks.format('outside')}\n"
        f"@operation()\ndef inside() -> Generator[StringCommand]:\n    {asks.format('inside')}\n    yield from ()\n"
        'server.shell(name="Always", commands=["true"])\n'
        'inside(name="Inside")\n'
    )
    watched.project.planned("--limit", "stage")
    watched.machine.run("rm /run/outside /run/inside")
    with watched.counted() as counts, watched.to_confirm() as run:
        run.type("\r")
        run.finish().require_success()
    assert counts["exchanges"] == 2
    assert watched.machine.run("wc -l < /run/outside; wc -l < /run/inside").stdout.split() == ["1", "2"]


@pytest.mark.everything
def test_commands_that_are_no_deploys_profit_too(watched: Watched) -> None:
    drift = [sys.executable, "-m", "commands.drift"]
    watched.project.run(*drift).require_success()
    with watched.counted() as counts:
        watched.project.run(*drift).require_success()
    assert counts["exchanges"] <= 3


@pytest.mark.everything
def test_the_stock_connector_is_one_word_away(watched: Watched) -> None:
    inventory = watched.project.path / "inventory.py"
    inventory.write_text(inventory.read_text().replace("@snapshot/", ""))
    assert watched.project.planned() == {}
    with watched.counted() as counts:
        assert watched.project.planned() == {}
    assert counts["exchanges"] > 100
    assert counts["connections"] == 2
    assert not watched.remembered


# --- Never stale --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
def test_a_change_ends_earlier_answers(watched: Watched, move: str) -> None:
    watched.deploy(f'watched(name="Before", label="before")\n{move}\nwatched(name="After", label="after")\n')
    expected = [("stage", "before", "missing"), ("stage", "after", "there")]
    assert watched.apply("--limit", "stage") == expected
    with watched.counted() as counts:
        assert watched.apply("--limit", "stage") == expected
    assert "/srv/thing" in watched.remembered
    assert counts["connections"] == 1


@pytest.mark.parametrize(
    "other_name",
    [pytest.param(False, marks=pytest.mark.everything), True],
    ids=["same address", "another name for it"],
)
@pytest.mark.parametrize("move", [MOVES["command"], MOVES["upload"]], ids=["command", "upload"])
def test_a_change_by_another_host_of_the_machine_ends_the_look(watched: Watched, move: str, other_name: bool) -> None:
    watched.deploy(
        'watched(name="Before", label="before")\n'
        f'if host.name == "prod":\n    {move}\n'
        'watched(name="After", label="after")\n'
    )
    if other_name:
        config = watched.project.sandbox / "ssh_config"
        other = config.with_name("other_config")
        other.write_text(config.read_text().replace("Host sandbox", "Host other"))
        inventory = watched.project.path / "inventory.py"
        moved = {"ssh_hostname": "other", "ssh_config_file": str(other)}
        text = '("@snapshot/prod", machine(HOST)'
        inventory.write_text(inventory.read_text().replace(text, f"{text} | {moved}"))
    expected = [
        (host, label, found)
        for label, found in (("before", "missing"), ("after", "there"))
        for host in ("prod", "stage")
    ]
    for _ in range(2):
        assert sorted(watched.apply(), key=lambda row: (row[1] == "after", row[0])) == expected


@pytest.mark.everything
def test_executing_looks_anew(watched: Watched) -> None:
    watched.deploy(
        'host.get_fact(File, path="/srv/thing")\n'
        'watched(name="First", label="first")\n'
        'server.shell(name="Always", commands=["true"])\n'
    )
    watched.apply("--limit", "stage")
    watched.machine.run("rm -f /srv/thing")
    for _ in range(2):
        watched.machine.run("rm -f /srv/thing")
        with watched.to_confirm() as run:
            watched.machine.run("touch /srv/thing")
            run.type("\r")
            result = run.finish().require_success()
        assert said(result) == [("stage", "first", "there")]


@pytest.mark.everything
def test_a_callback_that_waits_for_something_sees_it_come(watched: Watched) -> None:
    watched.set("connectors/snapshot.py", "AGE", 1)
    watched.deploy(
        "import time\n"
        "def wait():\n"
        "    for _ in range(50):\n"
        "        if host.get_fact(File, path='/srv/thing'):\n"
        "            return host.log('waited: there.')\n"
        "        time.sleep(0.1)\n"
        "python.call(name='Wait', function=wait)\n"
    )
    for _ in range(2):
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(watched.apply, "--limit", "stage")
            watched.machine.run("sleep 3; touch /srv/thing")
            assert waiting.result() == [("stage", "waited", "there")]


# --- The command that brings a look along --------------------------------------------------------------------------------


def test_the_look_sees_the_effect_of_the_first_command(watched: Watched) -> None:
    watched.deploy(f'{MOVES["command"]}\nwatched(name="After", label="after")\n')
    for _ in range(2):
        with watched.counted() as counts:
            assert watched.apply("--limit", "stage") == [("stage", "after", "there")]
    assert counts["exchanges"] == 2


def test_a_first_command_that_fails_fails_in_its_words(watched: Watched) -> None:
    watched.deploy('server.shell(name="Fails", commands=["echo out; echo words >&2; exit 7"])\n')
    for _ in range(2):
        run = watched.project.apply("--limit", "stage")
        assert run.exit_code == 1
        assert "words" in run.output


# --- What is remembered --------------------------------------------------------------------------------------------------


def test_only_commands_are_on_disk_and_of_those_only_facts(watched: Watched) -> None:
    watched.machine.run("echo what-the-host-said > /srv/notes")
    watched.deploy(
        'host.get_fact(Text, "cat /srv/notes")\n'
        'host.get_fact(Text, StringCommand("test -n", QuoteString(HiddenValue("hidden-value"))))\n'
        f"{MOVES['command']}\n{MOVES['callback']}\n"
        'files.put(name="Upload", src=StringIO("uploaded-text"), dest="/srv/d")\n'
        'watched(name="After", label="after")\n'
    )
    for _ in range(2):
        watched.apply("--limit", "stage")
    assert "cat /srv/notes" in watched.remembered
    assert not re.findall("what-the-host-said|hidden-value|touch|uploaded-text", watched.remembered)
    modes = {path.stat().st_mode & 0o777 for path in (watched.project.path / ".cache").rglob("*.json")}
    assert modes == {0o600}


@pytest.mark.everything
def test_secrets_of_the_whole_deploy_are_not_among_it(watched: Watched) -> None:
    watched.project.planned()
    watched.project.applied()
    text = watched.remembered
    assert len(text) > 10_000
    for environment in ("stage", "prod"):
        for name, value in watched.project.secrets(environment).items():
            assert value not in text, name


def test_looking_changes_nothing(watched: Watched) -> None:
    watched.deploy(f'{MOVES["command"]}\n{MOVES["upload"]}\nwatched(name="After", label="after")\n')
    watched.apply("--limit", "stage")
    watched.machine.run("rm -f /srv/thing")
    for _ in range(2):
        watched.project.planned("--limit", "stage")
    assert watched.machine.run("ls -d /srv/* /dev/shm/tmp.*", check=False).stdout.split() == []


# --- Nothing breaks -----------------------------------------------------------------------------------------------------


def test_facts_that_fail_hang_or_say_too_much_disturb_nobody(watched: Watched) -> None:
    watched.set("connectors/exchange.py", "PATIENCE", 1)
    # Too much for a look, and not for a command of its own.
    watched.set("connectors/exchange.py", "LIMIT", 1_000_000)
    watched.deploy(
        'long = host.get_fact(Text, "yes $(printf %0999d) | head -c 7000000")\n'
        'slow = host.get_fact(Text, "sleep 2; echo slept")\n'
        'bad = host.get_fact(Text, "echo partly; exit 3", _ignore_errors=True)\n'
        "odd = host.get_fact(Text, r\"printf 'a\\r\\n\\n b \\303\\274'\")\n"
        'host.log(f"got {len(long)} {slow} {bad} {odd!r}")\n'
    )
    runs = [watched.project.apply("--limit", "stage").require_success().output for _ in range(2)]
    got = [re.findall(r"got .*", output) for output in runs]
    assert got == [["got 6999999 slept None 'a\\r\\n\\n b ü'"]] * 2


@pytest.mark.everything
def test_a_fact_without_an_end_fails_with_the_reason(watched: Watched) -> None:
    watched.deploy('host.get_fact(Text, "yes")\n')
    run = watched.project.apply("--limit", "stage")
    assert run.exit_code == 1
    assert "that is no answer" in run.output


@pytest.mark.everything
@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"version": 0, "runs": {}}',
        '{"version": 2, "runs": {"Prepare": [[[1, 2]]]}}',
    ],
)
def test_a_memory_that_cannot_be_read_is_no_error(watched: Watched, text: str) -> None:
    watched.project.planned()
    for path in (watched.project.path / ".cache").rglob("*.json"):
        path.write_text(text)
    assert watched.project.planned() == {}
    with watched.counted() as counts:
        assert watched.project.planned() == {}
    assert counts["exchanges"] == 1


@pytest.mark.everything
def test_a_place_where_nothing_can_be_kept_is_no_error(watched: Watched) -> None:
    (watched.project.path / ".cache").write_text("in the way")
    try:
        for _ in range(2):
            assert watched.project.planned() == {}
    finally:
        (watched.project.path / ".cache").unlink()


@pytest.mark.everything
def test_memories_of_another_state_of_the_machine_do_not_matter(watched: Watched) -> None:
    watched.project.planned()
    for path in (watched.project.path / ".cache").rglob("*.json"):
        kept = json.loads(path.read_text())
        some = kept["runs"]["Prepare"][0]
        kept["runs"]["Prepare"] = [[*some[::2], ["sudo -H -n -u nobody-here", "sh -c id"], ["", "sh -c 'exit 1'"]]]
        path.write_text(json.dumps(kept))
    assert watched.project.planned() == {}


@pytest.mark.everything
def test_runs_at_the_same_time_do_not_disturb_each_other(watched: Watched) -> None:
    watched.project.planned()
    with ThreadPoolExecutor() as pool:
        for plan in [pool.submit(watched.project.planned) for _ in range(3)]:
            assert plan.result() == {}
    with watched.counted() as counts:
        assert watched.project.planned() == {}
    assert counts["exchanges"] == 1


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.everything)])
def few_sessions(watched: Watched, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The machine's sshd allows so many sessions in a connection, with which pyinfra's own connector fails now and then."""
    conf = "/etc/ssh/sshd_config.d/sessions.conf"
    watched.machine.run(f"echo MaxSessions {request.param} > {conf} && systemctl reload ssh")
    yield watched
    watched.machine.run(f"rm {conf} && systemctl reload ssh")


@pytest.mark.everything
def test_few_sessions_are_enough(few_sessions: Watched) -> None:
    project = few_sessions.project
    for _ in range(2):
        few_sessions.machine.run("rm -f /etc/default/billing_*")
        assert project.applied().keys() == {"Unit: variables"}
    assert project.planned() == {}


@pytest.mark.everything
def test_nothing_is_stale_on_the_connection_that_is_made_then(few_sessions: Watched) -> None:
    few_sessions.deploy(
        'watched(name="Before", label="before")\n'
        f'{MOVES["upload"]}\nwatched(name="After", label="after")\n'
        f'{MOVES["command"].replace("touch", "rm")}\nwatched(name="Last", label="last")\n'
    )
    expected = [("stage", "before", "missing"), ("stage", "after", "there"), ("stage", "last", "missing")]
    for _ in range(2):
        assert few_sessions.apply("--limit", "stage") == expected


@pytest.mark.everything
def test_it_is_enough_that_paramiko_says_no_more_than_no(few_sessions: Watched) -> None:
    """As it does when two hosts are refused at the same time, of whom it tells one the reason."""
    few_sessions.deploy(
        "transport = host.connector.client.get_transport()\n"
        "transport.get_exception = lambda: None\n"
        "transport.sessions = []\n"
        "try:\n"
        "    while True:\n"
        "        transport.sessions.append(transport.open_session())\n"
        "except Exception as refusal:\n"
        "    assert str(refusal) == 'Unable to open channel.'\n"
        'server.shell(name="Runs", commands=["touch /srv/thing"])\nwatched(name="After", label="after")\n'
    )
    assert few_sessions.apply("--limit", "stage") == [("stage", "after", "there")]


def test_a_connection_that_breaks_is_an_error_as_ever(watched: Watched) -> None:
    watched.deploy('server.shell(name="Breaks", commands=["pkill -f sshd.*devops"])\n')
    for _ in range(2):
        run = watched.project.apply("--limit", "stage")
        assert run.exit_code == 1, run.output
        assert "Traceback" not in run.output


@pytest.mark.parametrize(
    "then",
    [
        'StringCommand("touch", "/tmp/thing")',
        pytest.param('FileUploadCommand(StringIO("x"), "/tmp/thing")', marks=pytest.mark.everything),
        pytest.param('FileDownloadCommand("/etc/hostname", BytesIO())', marks=pytest.mark.everything),
    ],
)
def test_a_connection_that_breaks_while_sending_is_noticed(watched: Watched, then: str) -> None:
    """The first time a command has a session of its own, the second time it goes with a look."""
    watched.deploy(
        "from io import BytesIO\n"
        "from pyinfra.api import FileDownloadCommand, FileUploadCommand\n"
        "def breaks():\n"
        "    transport = host.connector.client.get_transport()\n"
        "    def send(message):\n"
        "        transport.close()\n"
        "        raise EOFError\n"
        "    transport.packetizer.write_all = send\n"
        f"@operation()\ndef then():\n    yield {then}\n"
        'python.call(name="Break", function=breaks)\nthen(name="Then", _sudo=False)\n'
    )
    for _ in range(2):
        run = watched.project.apply("--limit", "stage")
        assert run.exit_code == 1, run.output
        assert run.output.count('The connection to sandbox was lost in the step "Then": it was closed') == 1
        assert "Traceback" not in run.output


def test_a_machine_that_does_not_answer_is_named_once(watched: Watched) -> None:
    inventory = watched.project.path / "inventory.py"
    inventory.write_text(inventory.read_text().replace("machine(HOST)", 'machine(HOST) | {"ssh_port": 1}'))
    config = watched.project.sandbox / "ssh_config"
    assert "Port" not in config.read_text()
    run = watched.project.pyinfra("deploy.py", "--dry")
    assert run.exit_code == 1
    assert run.output.count("No connection to sandbox:1: port 1 refuses connections") == 1
