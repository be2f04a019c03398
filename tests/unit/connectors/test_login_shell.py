"""Lines for login shells: each of them gives sh the same program."""

import shutil
import subprocess

import pytest

from connectors.login_shell import portable
from operations.host import program

NASTY = "a\n\\\\ \\' ! !! 'q' \"p\" $HOME `id` % ~ é\\n"
# fish, csh and tcsh are tried where they are installed.
SHELLS = [shell for shell in ("sh", "bash", "zsh", "fish", "tcsh", "csh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gives_sh_the_same(shell: str) -> None:
    line = portable(
        program.command("resolve.sh").get_raw_value().replace("resolve.sh", "x") + "; " + f"printf %s {quoted()}"
    )
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, NASTY)


def quoted() -> str:
    return "'" + NASTY.replace("'", "'\"'\"'") + "'"


def test_nothing_is_left_that_a_shell_reads_otherwise() -> None:
    # switch.sh is a file on the host, and no line that is sent.
    for path in {*program.PROGRAMS.glob("*.sh")} - {program.PROGRAMS / "switch.sh"}:
        line = portable(program.command(path.name).get_raw_value())
        assert not set(line) & set("\n\\!"), path.name


def test_a_simple_line_stays_as_it_is() -> None:
    line = "sudo -H -n sh -c 'test -e /x || true'"
    assert portable(line) == line


@pytest.mark.parametrize("code", [0, 7])
def test_exit_code_and_standard_input_are_those_of_the_line(code: int) -> None:
    done = subprocess.run(
        ["sh", "-c", portable(f"cat\nexit {code}")], input="text", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "text")
