"""The Makefile abbreviates: each recipe is one line, and only variables of the command line count."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from unicodedata import east_asian_width

import pytest

from commands.__main__ import NAMES
from group_data.schema.paths import CHECKOUT

STRAY = {
    "ENV": "/root/.shrc", "VERSION": "9.9.9", "YES": "1", "TARBALL": "/t", "FROM": "f",
    "REF": "r", "MIGRATE_DOWN": "1", "DUMP": "1", "SINCE": "-1h",
    "EXPR": "halt", "APP": "/a", "N": "5", "RELEASE": "sid", "CMD": "rm", "UNCOMMITTED": "1", "REBUILD": "1", "FETCH": "1",
    "VERBOSE": "1", "SECTIONS": "s", "PYTHON": "/bin/false", "BUILD": "b", "ANSWER": "--yes", "ENVIRONMENTS": "x",
    "KEY": "cookie", "NEW": "1", "TRUST": "1", "READERS": "--yes", "FILE": "/etc/passwd",
    "EXPRESSION": "halt",
}  # fmt: skip


def shell(**variables: str) -> dict[str, str]:
    """The variables of a shell that no make has started."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return kept | variables


def recipe(*arguments: str, **variables: str) -> list[str]:
    """The words of the command that a target runs, as the shell would read them; nothing is run."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/installed", *arguments],
        cwd=CHECKOUT,
        env=shell(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(done.stdout.splitlines()[-1])


def targets() -> list[str]:
    return re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("target", targets())
def test_a_shells_own_variables_steer_nothing(target: str) -> None:
    assert recipe(target, **STRAY) == recipe(target)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan"], ["commands.plan"]),
        (["plan", "ENV=stage"], ["commands.plan", "--", "stage"]),
        (["apply", "ENV=stage prod", "YES=1"], ["commands.apply", "--yes", "--", "stage", "prod"]),
        (["apply", "ENV=--yes"], ["commands.apply", "--", "--yes"]),
        (["apply", "YES=no"], ["commands.apply"]),
        (["release", "ENV=stage", "TARBALL=/a b/c'd.tgz"], ["commands.release", "--tarball=/a b/c'd.tgz", "--", "stage"]),
        (["release", "ENV=stage", "VERSION=0.2.0"], ["commands.release", "--version=0.2.0", "--", "stage"]),
        (["build", "ENV=stage", "REF=x y", "FETCH=1"], ["commands.build", "--ref=x y", "--fetch", "--", "stage"]),
        (["restore", "ENV=stage", "DUMP=7"], ["commands.restore", "--dump=7", "--", "stage"]),
        (["logs", "ENV=stage", "SINCE=-1h"], ["commands.logs", "--since=-1h", "--", "stage"]),
        (["promote", "FROM=stage", "ENV=prod", "YES=1"], ["commands.promote", "--from=stage", "--yes", "--", "prod"]),
        (["task", "ENV=stage", "EXPR=1"], ["commands.task", "--", "stage", "$EXPRESSION"]),
        (["exec", "ENV=stage", "CMD=ls -la"], ["commands.exec", "--", "stage", "$EXPRESSION"]),
        (["psql", "ENV=stage"], ["commands.psql", "--", "stage"]),
        (["app-check", "APP=../my app"], ["commands.app_check", "--app=../my app"]),
        (["vault-recipients", "YES=1"], ["commands.vault_recipients", "--yes"]),
        (["vault-set", "ENV=stage", "KEY=STRIPE_KEY"], ["commands.vault_set", "--key=STRIPE_KEY", "--", "stage"]),
        (["vault-import", "ENV=stage", "FILE=../a b/.env"], ["commands.vault_import", "--file=../a b/.env", "--", "stage"]),
        (["test-all"], ["pytest", "--everything"]),
    ],
)  # fmt: skip
def test_words_of_the_command_line_arrive(arguments: list[str], words: list[str]) -> None:
    assert recipe(*arguments) == [".venv/bin/python", "-m", *words]


@pytest.mark.parametrize("target", [name for name in targets() if name != "check"])
def test_no_environment_is_taken_for_an_option(target: str) -> None:
    words = recipe(target, "ENV=--quiet", "YES=1")
    if "--quiet" in words:
        assert words.index("--") == words.index("--quiet") - 1


@pytest.mark.parametrize(
    ("environment", "expression"),
    [
        (["ENV=stage"], "f(\"$HOME `id` $(id) 'q' \\ # %\")"),
        (["ENV=stage"], "a = 1\n\nif a, do: 'b'\n"),
        ([], "--help"),
    ],
)
def test_an_expression_arrives(environment: list[str], expression: str) -> None:
    done = subprocess.run(
        ["make", "--assume-old=.venv/installed", "PYTHON=printf '%s|'", "rpc", *environment, f"EXPR={expression}"],
        cwd=CHECKOUT,
        env=shell(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"-m|commands.rpc|--|{'stage' if environment else ''}|{expression}|"


@pytest.mark.parametrize("variable", ["MAKEFLAGS", "GNUMAKEFLAGS"])
@pytest.mark.parametrize(("flags", "refused"), [("YES=1", True), ("-s YES=1", True), ("--output-sync=target", False)])
def test_flags_of_the_shell_set_no_variable(variable: str, flags: str, *, refused: bool) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--assume-old=.venv/installed", "apply", "ENV=stage"],
        cwd=CHECKOUT,
        env=shell(**{variable: flags}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("MAKEFLAGS in your shell sets variables: unset it" in done.stderr) == refused
    assert (done.returncode == 2) == refused


def refusal(*arguments: str, **variables: str) -> str:
    """The words with which make refuses a command line; empty if it does not."""
    done = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--assume-old=.venv/installed", *arguments],
        cwd=CHECKOUT, env=shell(**variables), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 2)
    assert not done.returncode or done.stdout == ""
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["apply", "EVN=stage"], "EVN is no variable here: did you mean ENV? Nothing was done."),
        (["apply", "env=stage"], "env is no variable here: did you mean ENV? "),
        (["apply", "ENVIRONMENT=stage"], "ENVIRONMENT is no variable here: did you mean ENV? "),
        (["release", "ENV=stage", "VERSOIN=1"], "VERSOIN is no variable here: did you mean VERSION? "),
        (["rollback", "ENV=stage", "MIGRATE-DOWN=1"], "MIGRATE-DOWN is no variable here: did you mean MIGRATE_DOWN? "),
        (["apply", "Q=1"], "Q is no variable here; there are: ENV VERSION "),
        (["apply", "E'V=1"], "E'V is no variable here: did you mean ENV? "),
        (["apply", "ENV="], "ENV= is empty: say which, or leave it out. Nothing was done."),
        (["apply", "ENV= "], "ENV= is empty: "),
        (["release", "ENV=stage", "VERSION="], "VERSION= is empty: "),
        (["release", "ENV=stage", "VERSOIN="], "VERSOIN is no variable here: did you mean VERSION? "),
        (["apply", "stage"], "stage is no target: an environment is ENV=stage, "),
        (["aply", "ENV=stage"], "aply is no target: did you mean apply? "),
        (["apply", "ENV=$(error evaluated)"], ""),
        ([".venv/installed"], ""),
        (["check", "ENV=stage"], "make check takes no ENV: it looks at all environments, "),
    ],
)
def test_what_is_misspelt_or_empty_is_refused(arguments: list[str], said: str) -> None:
    words = refusal(*arguments)
    assert said in words
    assert bool(words) == bool(said)


def test_what_is_misspelt_is_refused_where_python3_is_missing_or_old(tmp_path: Path) -> None:
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    words = refusal("apply", "EVN=stage", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "EVN is empty or no variable or target here. Nothing was done." in words


def test_targets_run_one_after_the_other(tmp_path: Path) -> None:
    """Also with -j, which many have in MAKEFLAGS: each may ask, and change the same machine."""
    log, python = tmp_path / "log", tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho begin >> {log}; sleep 0.3; echo end >> {log}\n")
    python.chmod(0o755)
    subprocess.run(
        ["make", "--assume-old=.venv/installed", "plan", "drift", f"PYTHON={python}"],
        cwd=CHECKOUT, env=shell(MAKEFLAGS="-j4"), capture_output=True, check=True,
    )  # fmt: skip
    assert log.read_text().split() == ["begin", "end", "begin", "end"]


def test_another_make_may_have_variables_of_its_own() -> None:
    """It hands them all down. One that is nearly ours is refused there, too."""
    assert refusal("plan", "ENV=stage", "TEAM_COLOUR=blue", MAKELEVEL="1") == ""
    assert "did you mean VERSION?" in refusal("release", "VERSOIN=1", MAKELEVEL="1")
    assert "ENV= is empty" in refusal("apply", "ENV=", MAKELEVEL="1")


def of_targets() -> list[tuple[str, str]]:
    """Each variable that says what is done, and one of its targets."""
    text = (CHECKOUT / "commands/command_line.mk").read_text()
    table = re.findall(r"^FOR_([A-Z_]+) := (.*)$", text, re.MULTILINE)
    return [(variable, target) for variable, names in table for target in names.split()]


@pytest.mark.parametrize(("variable", "target"), of_targets())
def test_a_variable_of_another_target_is_refused(variable: str, target: str) -> None:
    """make promote VERSION=1 would release what runs on stage."""
    other = "drift" if variable != "SECTIONS" else "lint"
    assert f"make {other} takes no {variable}, which is for: make " in refusal(other, f"{variable}=1", MAKELEVEL="0")
    # Its own target does something else with it.
    assert refusal(target, f"{variable}=1") == ""
    told = [
        subprocess.run(
            ["make", "--dry-run", "--assume-old=.venv/installed", target, *words],
            cwd=CHECKOUT, env=shell() | {"EXPRESSION": ""}, capture_output=True, text=True, check=True,
        ).stdout
        for words in ([], [f"{variable}=1"])
    ]  # fmt: skip
    assert told[0] != told[1] or variable in ("EXPR", "CMD")


def test_several_targets_share_their_variables() -> None:
    assert refusal("build", "release", "ENV=stage", "REF=main", "VERSION=1") == ""
    assert "make plan apply takes no VERSION" in refusal("plan", "apply", "VERSION=1", MAKELEVEL="0")
    assert refusal("plan", "VERSION=1", MAKELEVEL="1") == ""


def test_every_variable_of_a_recipe_is_known() -> None:
    known = (CHECKOUT / "commands/command_line.mk").read_text().partition("VARIABLES := ")[2].partition("WRONG")[0]
    used = set(re.findall(r"\$\(call (?:given|option|flag|text|each),([A-Z_]+)", (CHECKOUT / "Makefile").read_text()))
    assert used <= set(known.split())


def test_each_command_of_a_recipe_is_one_of_deploy() -> None:
    words = [word for target in targets() for word in recipe(target) if word.startswith("commands.")]
    assert sorted(word.removeprefix("commands.").replace("_", "-") for word in words) == sorted(NAMES)


def python_targets() -> list[str]:
    """Those that run a command of this repository."""
    rules = re.findall(r"^([a-z-]+):[^\n]*\n((?:\t.*\n|#.*\n)+)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    return [name for name, lines in rules if "$(PYTHON)" in lines]


@pytest.mark.parametrize("target", python_targets())
def test_a_target_whose_command_fails_fails(target: str) -> None:
    before = {".venv/installed", ".venv-bench/installed", "lint", "sandbox-packages"} - {target}
    done = [f"--assume-old={name}" for name in sorted(before)]
    run = subprocess.run(
        ["make", *done, target, *["ENV=stage"] * (target != "check"), "YES=1", "PYTHON=false"],
        cwd=CHECKOUT,
        env=shell(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2, run.stdout + run.stderr


def test_a_command_for_the_sandbox_arrives() -> None:
    words = recipe("sandbox-ssh", "CMD=echo 'a  b' \"$x\"")
    assert words[-2:] == ["ssh", "echo 'a  b' \"$x\""]


def test_shellcheck_sees_programs_at_every_depth(tmp_path: Path) -> None:
    spy = tmp_path / "shellcheck"
    spy.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    spy.chmod(0o755)
    done = subprocess.run(
        ["make", "--silent", "lint-shell"],
        cwd=CHECKOUT,
        env=shell(PATH=f"{tmp_path}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        check=True,
    )
    programs = [str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("[!.]*/**/*.sh")]
    assert [name for name in [".ci/run", *programs] if name not in done.stdout.replace("./", "").split()] == []


@pytest.mark.parametrize("value", ["IO.puts(\"a\\nb\")\n'c' # $HOME $(id) `id` \\ %", "é\t$$ x\n\ny"])
def test_an_expression_arrives_byte_for_byte(value: str, tmp_path: Path) -> None:
    """Line breaks and dollars, too."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {tmp_path}/words\n")
    python.chmod(0o755)
    command = ["make", "--assume-old=.venv/installed", "task", "ENV=stage", f"EXPR={value}", f"PYTHON={python}"]
    subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"EXPRESSION": "halt"}, check=True)
    assert (tmp_path / "words").read_bytes().decode().split("\0")[-3:] == ["stage", value, ""]


def test_size() -> None:
    lines = (CHECKOUT / "Makefile").read_text().splitlines()
    assert len(lines) <= 130
    recipes = [index for index, line in enumerate(lines) if line.startswith("\t")]
    assert not any(index + 1 in recipes or lines[index].endswith("\\") for index in recipes)


def test_help_fits_a_narrow_terminal() -> None:
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    lines = shown.splitlines()
    assert len(lines) > 35
    assert max(sum(2 if east_asian_width(letter) == "W" else 1 for letter in line) for line in lines) <= 80
