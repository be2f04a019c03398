"""Plan, question, execution and interruption, with a stand-in for pyinfra."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands import destroy
from commands.deployment import HALF_APPLIED, naming
from group_data.schema.paths import CHECKOUT
from tests.host.terminal import CTRL_C, CTRL_D, Terminal, terminal
from tests.unit.sample import sample

PLANNING = "Interrupted while planning: nothing was changed."
HALF_APPLIED_ALL = naming(HALF_APPLIED, [])
ASKING = "Interrupted before the answer: nothing was changed."
CHANGE = '{"plan": [{"name": "Site", "hosts_with_change": ["stage"], "hosts_with_conditional_change": []}]}'

# A module that takes as long as it needs until Ctrl-C has arrived.
SLOW_IMPORT = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(20)"

HANGS = "echo at work >&2; exec sleep 60"

DRIVER = """
import sys
from commands import deployment
deployment.sys = type("sys", (), vars(sys) | {"executable": sys.argv.pop(1)})
from importlib import import_module
command = import_module(f'commands.{sys.argv.pop(1)}').command
command(sys.argv[1:])
"""


@dataclass
class Double:
    """A program that does as pyinfra would, once for the plan and once to carry it out."""

    path: Path
    name: str = "apply"

    def does(self, plan: str, apply: str = "") -> None:
        """Give it two pieces of shell."""
        self.path.write_text(
            f"#!/bin/sh\necho $$ > {self.path}.pid\nenv > {self.path}.env\n"
            f'case "$*" in\n*--dry*)\n{plan}\n;;\n*)\ntouch "$DEPLOY_READY"\n{apply}\n;;\nesac\n'
        )
        self.path.chmod(0o700)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-c", DRIVER, str(self.path), self.name]

    @property
    def pid(self) -> int:
        return int(Path(f"{self.path}.pid").read_text())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments], cwd=CHECKOUT, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def on_terminal(self, *arguments: str) -> contextlib.AbstractContextManager[Terminal]:
        return terminal([*self.command, *arguments], CHECKOUT)

    def assert_gone(self) -> None:
        deadline = time.monotonic() + 10
        while Path(f"/proc/{self.pid}").exists():
            assert time.monotonic() < deadline, "pyinfra was left behind"
            time.sleep(0.02)


@pytest.fixture
def pyinfra(tmp_path: Path) -> Double:
    return Double(tmp_path / "pyinfra")


def test_nothing_to_do(pyinfra: Double) -> None:
    pyinfra.does("""echo '{"plan": []}'""", "exit 9")
    run = pyinfra.run()
    assert (run.returncode, run.stdout) == (0, "\nNothing would change.\n")


@pytest.mark.parametrize("plan", ["exit 1", "echo nonsense", "", f"echo '{CHANGE}'; exit 1"])
def test_a_plan_that_is_not_finished(pyinfra: Double, plan: str) -> None:
    pyinfra.does(plan or ":", "exit 9")
    run = pyinfra.run("--yes")
    assert (run.returncode, run.stderr) == (
        1, "\nThe plan was not finished, for the reason above.\n",
    )  # fmt: skip


def test_yes(pyinfra: Double) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "echo carried out >&2")
    run = pyinfra.run("--yes", "staging")
    assert (run.returncode, run.stderr) == (0, "carried out\n")
    assert run.stdout.startswith(
        "\nThis would change:\n  Site: stage\nApplied to stage: nothing had to be changed, in "
    )
    assert run.stdout.endswith(" s. make status ENV=stage shows the state.\n")


def test_the_last_line_counts_and_says_what_comes_next(pyinfra: Double) -> None:
    pyinfra.does(f"echo '{CHANGE}'", """echo '{"changed": 3, "unreleased": ["stage"]}' > "$DEPLOY_NOTE" """)
    last = pyinfra.run("--yes", "stage").stdout.splitlines()[-1]
    assert last.startswith("Applied to stage: 3 steps changed something, in ")
    assert last.endswith(" s. make update ENV=stage builds and releases.")


def test_a_reason_that_was_told_is_the_last_word(pyinfra: Double) -> None:
    pyinfra.does("""echo the reason >&2; echo '{"told": true}' > "$DEPLOY_NOTE"; exit 1""", "exit 9")
    assert pyinfra.run("--yes").stderr == "the reason\n"


@pytest.mark.parametrize(("words", "quiet"), [([], "1"), (["--verbose"], ""), (["-v"], "")])
def test_verbose_shows_all_that_pyinfra_says(pyinfra: Double, words: list[str], quiet: str) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "echo quiet: $DEPLOY_QUIET.")
    assert f"quiet: {quiet}.\n" in pyinfra.run("--yes", *words).stdout


def test_pyinfra_fails(pyinfra: Double) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "exit 3")
    run = pyinfra.run("--yes")
    assert (run.returncode, run.stderr) == (1, "")


def test_no_terminal(pyinfra: Double) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "exit 9")
    run = pyinfra.run()
    assert run.returncode == 1
    assert run.stderr == "There is no terminal to ask on: repeat with YES=1 to go ahead without a question.\n"


@pytest.mark.parametrize("answer", ["n\n", "\n", "x\n", CTRL_D], ids=["n", "enter", "x", "end of input"])
def test_declined(pyinfra: Double, answer: str) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "exit 9")
    with pyinfra.on_terminal("stage") as command:
        command.wait_until_asked("Apply this to stage? [y/N] ")
        command.type(answer)
        run = command.finish()
    assert (run.exit_code, "Nothing was changed." in run.output) == (1, True)


@pytest.mark.parametrize("answer", ["y\n", "Yes\n", " y\n"])
def test_accepted(pyinfra: Double, answer: str) -> None:
    pyinfra.does(f"echo '{CHANGE}'", "echo carried out")
    with pyinfra.on_terminal() as command:
        command.wait_until_asked("Apply this to every environment? [y/N] ")
        command.type(answer)
        assert command.finish().exit_code == 0


@pytest.mark.parametrize("whom", ["terminal", "command", "pyinfra"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("plan", "apply", "says"),
    [(HANGS, "", PLANNING), (f"echo '{CHANGE}'", HANGS, HALF_APPLIED_ALL)],
    ids=["planning", "applying"],
)  # fmt: skip
def test_interrupted(pyinfra: Double, plan: str, apply: str, says: str, number: signal.Signals, whom: str) -> None:
    pyinfra.does(plan, apply)
    with pyinfra.on_terminal("--yes") as command:
        command.wait_for("at work")
        if whom == "terminal":
            command.type(CTRL_C) if number == signal.SIGINT else os.killpg(command.process.pid, number)
        else:
            os.kill(pyinfra.pid if whom == "pyinfra" else command.process.pid, number)
        run = command.finish()
    assert (run.exit_code, run.output.count(says)) == (130, 1), run.output
    assert "Traceback" not in run.output
    pyinfra.assert_gone()


# Commands that ask, their arguments, the end of their question, and what they say when they are interrupted later.
ASKED = {
    "apply": (["stage"], "[y/N] ", "Run make apply ENV=stage again to finish."),
    "release": (["stage"], "[y/N] ", "See make releases ENV=stage."),
    "rollback": (["stage"], "[y/N] ", "See make releases ENV=stage."),
    "migrate": (["stage"], "[y/N] ", "See make releases ENV=stage."),
    "migrate_down": (["stage", "--version", "20260101000000"], "[y/N] ", "See make releases ENV=stage."),
    "restore": (["stage", "--dump", "1"], "[y/N] ", "See make releases ENV=stage."),
    "destroy": (["stage"], "to destroy it: ", "Run make destroy ENV=stage again to finish."),
    "app_apply": (["--app", "a b", "stage"], "[y/N] ", "run again: make app-apply APP='a b' ENV=stage."),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# This asks after its own look, which the stand-in for pyinfra does not answer.
ELSEWHERE = {"update", "promote", "unlock"}


def test_every_command_that_asks_is_interrupted_here() -> None:
    asking = {
        file.stem
        for file in (CHECKOUT / "commands").glob("*.py")
        if file.stem not in ("deployment", "options") and "@options.yes" in file.read_text()
    }
    assert asking == (set(ASKED) | ELSEWHERE) - {"destroy"}


@pytest.mark.parametrize(("name", "number"), sample(product(ASKED, SIGNALS), *zip(ASKED, cycle(SIGNALS), strict=False)))
def test_interrupted_before_the_answer(pyinfra: Double, name: str, number: signal.Signals) -> None:
    arguments, question, _ = ASKED[name]
    pyinfra.name = name
    pyinfra.does(f"echo '{CHANGE}'", "exit 9")
    with pyinfra.on_terminal(*arguments) as command:
        command.wait_until_asked(question)
        os.kill(command.process.pid, number)
        run = command.finish()
    assert (run.exit_code, run.output.count(ASKING), run.output.count("nterrupted")) == (130, 1, 1), run.output
    assert "Traceback" not in run.output


@pytest.mark.parametrize("name", ASKED)
def test_an_interrupted_command_names_itself_with_its_environment(pyinfra: Double, name: str) -> None:
    arguments, question, sentence = ASKED[name]
    pyinfra.name = name
    pyinfra.does(f"echo '{CHANGE}'", HANGS)
    with pyinfra.on_terminal(*arguments) as command:
        command.wait_until_asked(question)
        command.type("stage\n" if name == "destroy" else "y\n")
        command.wait_for("at work")
        command.type(CTRL_C)
        run = command.finish()
    assert (run.exit_code, run.output.count(sentence)) == (130, 1), run.output


@pytest.mark.parametrize(
    ("names", "told"), [([], "make x again"), (["qa"], "make x ENV=qa again"), (["a", "b"], "make x ENV='a b' again")]
)
def test_a_sentence_names_the_environments_of_its_run(names: list[str], told: str) -> None:
    assert naming("make x{} again", names) == told


@pytest.mark.parametrize("module", ["click", "json"])
@pytest.mark.parametrize(
    "words", [["-m", "commands.apply"], ["-m", "commands.vault_edit", "stage"], ["-m", "commands", "status"]]
)
def test_interrupted_while_the_command_is_imported(tmp_path: Path, words: list[str], module: str) -> None:
    (tmp_path / f"{module}.py").write_text(SLOW_IMPORT)
    run = subprocess.run(
        [sys.executable, *words],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "\nInterrupted: nothing was changed.\n")


def test_interrupted_while_pyinfra_is_imported(tmp_path: Path) -> None:
    (tmp_path / "pyinfra_cli").mkdir()
    (tmp_path / "pyinfra_cli" / "__init__.py").touch()
    (tmp_path / "pyinfra_cli" / "main.py").write_text(SLOW_IMPORT)
    run = subprocess.run(
        [sys.executable, "-m", "commands.apply"],
        cwd=CHECKOUT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout, run.stderr) == (130, "", f"\n{PLANNING}\n")


def test_pyinfra_takes_an_early_signal_for_its_end(pyinfra: Double) -> None:
    """Until it has read the inventory, with exit code 0."""
    pyinfra.does(f"echo '{CHANGE}'", "rm $DEPLOY_READY")
    run = pyinfra.run("--yes")
    assert (run.returncode, HALF_APPLIED_ALL in run.stderr) == (130, True)


def test_a_pyinfra_that_does_not_end_is_killed(pyinfra: Double) -> None:
    pyinfra.does("trap '' TERM INT; echo at work >&2; while :; do sleep 1; done")
    with pyinfra.on_terminal() as command:
        command.wait_for("at work")
        os.kill(command.process.pid, signal.SIGTERM)
        assert command.finish().exit_code == 130
    pyinfra.assert_gone()


def test_no_variable_of_the_shell_reaches_an_entry_point(pyinfra: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYINFRA_YES", "DEPLOY_VERSION", "DEPLOY_PLAN", "DEPLOY_BUILD"):
        monkeypatch.setenv(name, "1")
    pyinfra.does("""echo '{"plan": []}'""")
    assert pyinfra.run().returncode == 0
    assert not [
        line
        for line in Path(f"{pyinfra.path}.env").read_text().splitlines()
        if line.startswith(("PYINFRA_YES", "DEPLOY_"))
        and not line.startswith(("DEPLOY_LOST=/", "DEPLOY_NOTE=/", "DEPLOY_QUIET="))
    ]


@pytest.mark.parametrize(
    ("variables", "seen"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["terminal", "terminal with NO_COLOR"]
)
def test_a_wheel_turns_on_a_terminal(pyinfra: Double, variables: dict[str, str], seen: bool) -> None:
    pyinfra.does(f"echo '{CHANGE}'", 'echo "wheel: ${PYINFRA_PROGRESS:-turns}"')
    with terminal([*pyinfra.command, "--yes"], CHECKOUT, **variables) as command:
        run = command.finish()
    assert ("wheel: turns" in run.output, "wheel: off" in run.output) == (seen, not seen)


def test_nothing_turns_in_a_file(pyinfra: Double) -> None:
    pyinfra.does(f"echo '{CHANGE}'", 'echo "wheel: ${PYINFRA_PROGRESS:-turns}"')
    assert "wheel: off" in pyinfra.run("--yes").stdout


@pytest.mark.parametrize(
    ("typed", "gone"), [("qa\n", True), ("y\n", False), ("stage\n", False), ("\n", False), ("", False)]
)
def test_an_environment_goes_after_its_name_was_typed(tmp_path: Path, typed: str, gone: bool) -> None:
    pyinfra = Double(tmp_path / "pyinfra", "destroy")
    pyinfra.does(f"echo '{CHANGE}'", "echo carried out")
    run = subprocess.run(
        [*pyinfra.command, "qa"], cwd=CHECKOUT, input=typed, capture_output=True, text=True, check=False
    )
    assert "Type qa to destroy it: " in run.stderr
    assert (run.returncode == 0, "carried out" in run.stdout) == (gone, gone)
    assert ("Nothing was changed." in run.stderr, "Delete here, and commit: qa in inventory.py" in run.stdout) == (
        not gone,
        gone,
    )


def test_an_environment_that_is_gone_is_asked_for_no_name(tmp_path: Path) -> None:
    pyinfra = Double(tmp_path / "pyinfra", "destroy")
    pyinfra.does("""echo '{"plan": []}'""", "exit 9")
    run = subprocess.run(
        [*pyinfra.command, "stage"], cwd=CHECKOUT, input="", capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    # The vault is among them if the throwaway machine of this checkout is there.
    assert run.stdout.splitlines()[-1].startswith(
        "Delete here, and commit: stage in inventory.py and group_data/stage.py"
    )


def test_an_environment_without_group_data_is_not_destroyed_by_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was prepared, and somebody deleted its file first. A misspelt name gets the usual words."""
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault/machines.txt").write_text("billing qa server\n")
    monkeypatch.setattr(destroy, "CHECKOUT", tmp_path)
    told = CliRunner().invoke(destroy.command, ["qa"])
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith("There is no group_data/qa.py, which has the names of all that would go.")
