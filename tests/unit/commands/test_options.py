"""The group, its commands, their help, misuse and completion."""

import errno
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from commands import options
from commands.__main__ import NAMES, main, summary
from group_data.schema.paths import CHECKOUT


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def imported(*arguments: str) -> set[str]:
    """The modules of commands that a process of the group imports."""
    script = (
        "import sys; from commands.__main__ import main; main(sys.argv[1:], standalone_mode=False);"
        "print(*(name for name in sys.modules if name.startswith(('commands.', 'pyinfra'))), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    return {line for line in done.stdout.splitlines() if line.startswith(("commands.", "pyinfra"))}


def test_help_imports_no_command() -> None:
    assert imported("--help") == {"commands.__main__", "commands.options"}


def test_every_command_has_one_line_on_a_narrow_terminal() -> None:
    lines = run("--help").stdout.splitlines()
    shown = lines[lines.index("Commands:") + 1 :]
    assert [line.split()[0] for line in shown] == NAMES
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_help(name: str) -> None:
    told = run(name, "--help")
    assert told.exit_code == 0
    assert summary(name) in " ".join(told.stdout.split())
    assert "Exit code" in told.stdout


@pytest.mark.parametrize("name", NAMES)
def test_misuse(name: str) -> None:
    """2 is an answer of several commands; only the vault's says 2 for misuse."""
    told = run(name, "--nope")
    assert (told.exit_code, told.stdout) == (2 if name.startswith("vault-") else 1, "")
    assert "No such option" in told.stderr


def test_an_unknown_command() -> None:
    assert run("dance").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["release"], "Say which environment: make release ENV=stage"),
        (["promote", "prod"], "Say from where: make promote FROM=stage ENV=prod"),
        (["vault-init"], "Say which environment: make vault-init ENV=stage"),
        (["unlock"], "Say which environment: make unlock ENV=stage"),
        (["migrate-down", "stage"], "Say which migration: make migrate-down ENV=stage VERSION="),
        (["rpc", "stage"], "Say what to run: make rpc ENV=stage EXPR="),
        (["rpc", "", "--", "1"], "Say which environment: make rpc ENV=stage"),
        (["app-check"], "Say where the application is: make app-check APP=../billing"),
        (["app-apply", "stage"], "Say where the application is: make app-apply APP=../billing"),
    ],
)
def test_a_missing_argument_is_named(arguments: Sequence[str], advice: str) -> None:
    told = run(*arguments)
    assert advice in told.stderr
    assert told.exit_code != 0


def completed(*words: str, incomplete: str) -> list[str]:
    *before, name = words
    complete = ShellComplete(main, {}, "deploy", "_DEPLOY_COMPLETE")
    return [item.value for item in complete.get_completions([*before, name], incomplete)]


def test_environments_complete_without_the_inventory() -> None:
    stems = {file.stem for file in (CHECKOUT / "group_data").glob("*.py")} - {"all"}
    assert set(completed("release", incomplete="")) == stems
    assert completed("drift", incomplete="no-such") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from commands.__main__ import main; main(prog_name='deploy')"],
        env=os.environ | {"_DEPLOY_COMPLETE": f"{shell}_source"},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "_DEPLOY_COMPLETE" in done.stdout


@pytest.mark.parametrize(("typed", "meant"), [("staging", "stage"), ("production", "prod"), ("qa", "qa")])
def test_edelivers_names(typed: str, meant: str) -> None:
    assert options.translated(typed) == meant


def test_an_environment_of_edelivers_name_is_meant_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkout = tmp_path_factory.mktemp("checkout")
    (checkout / "group_data").mkdir()
    (checkout / "group_data/staging.py").touch()
    monkeypatch.setattr(options, "CHECKOUT", checkout)
    assert options.translated("staging") == "staging"
    assert options.translated("production") == "prod"


def test_every_command_translates() -> None:
    for name in NAMES:
        command = importlib.import_module(f"commands.{name.replace('-', '_')}").command
        for parameter in command.params:
            if parameter.name in ("environment", "environments"):
                assert isinstance(parameter.type, options.EnvironmentName), name
                assert parameter.type.convert("staging", None, None) == "stage"
                assert isinstance(parameter, click.Argument)


def test_it_works_from_anywhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "billing").mkdir()
    script = "from commands.__main__ import main; main(prog_name='deploy')"
    done = subprocess.run(
        [sys.executable, "-c", script, "app-check", "--app", "billing"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"APP={elsewhere / 'billing'} is no checkout of a Mix project" in done.stderr


FAILS = """
import atexit, sys, click
from commands import options
atexit.register(lambda: print("pyinfra" in sys.modules))

@options.command("It fails.")
def command():
    raise click.exceptions.Exit(3)

command([])
"""


def test_a_command_that_was_declined_ends_without_pyinfra() -> None:
    """Its import would take most of a second."""
    done = subprocess.run([sys.executable, "-c", FAILS], cwd=CHECKOUT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "False\n")


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "Permission denied"), (errno.EROFS, "Read-only file system")]
)
def test_a_file_here_that_cannot_be_written_is_named(number: int, words: str) -> None:
    """Of a checkout that belongs to somebody else."""

    @options.command("Write.")
    def write() -> None:
        raise OSError(number, os.strerror(number), "docs/group-data.md")

    told = CliRunner().invoke(write, [])
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr.startswith(f"docs/group-data.md on this computer: {words}. Whose are the files of this checkout")


def test_another_error_keeps_its_traceback() -> None:
    @options.command("Fail.")
    def fail() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "x")

    assert isinstance(CliRunner().invoke(fail, []).exception, FileNotFoundError)
