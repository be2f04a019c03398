"""Errors of this computer's files, told in a sentence by our commands and by pyinfra."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyinfra.api import util

from group_data.schema.paths import CHECKOUT
from preflight.own_computer import sentence, without_wrapping

# pyinfra's own command line, with an entry point and no inventory of ours.
PYINFRA = """
import sys
from preflight import own_computer
from pyinfra_cli.main import main
own_computer.explain()
own_computer.explain()
sys.argv = ["pyinfra", "@local", sys.argv[1], "--dry"]
main()
"""
FAILS = "raise OSError({}, 'words of the system', {!r})\n"


@pytest.mark.parametrize(("name", "where"), [("/x/vault", "/x/vault"), (None, "a file")])
def test_a_file_here_is_named(name: str | None, where: str) -> None:
    said = sentence(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name))
    assert said is not None
    assert said.startswith(f"{where} on this computer: No space left on device. Whose are the files")


def test_no_room_for_temporary_files_is_told(tmp_path: Path) -> None:
    """With Python's own error."""
    program = f"""
import tempfile
from preflight.own_computer import sentence
tempfile.tempdir = None
tempfile._candidate_tempdir_list = lambda: [{str(tmp_path / "none")!r}]
try:
    tempfile.gettempdir()
except OSError as error:
    print(sentence(error))
"""
    run = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("on this computer: No usable temporary directory")
    assert "TMPDIR" in run.stdout


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No such file", "x"), ConnectionResetError(), ValueError("x")])
def test_another_error_is_not_explained(error: BaseException) -> None:
    assert sentence(error) is None


@pytest.mark.parametrize(("number", "explained"), [(errno.EACCES, True), (errno.ENOENT, False)])
def test_pyinfra_shows_no_traceback_of_it(tmp_path: Path, number: int, *, explained: bool) -> None:
    """A test of pyinfra's names as well: `show` of its two errors is what prints them."""
    entry = tmp_path / "entry.py"
    entry.write_text(FAILS.format(number, "/x/.releases"))
    run = subprocess.run(
        [sys.executable, "-c", PYINFRA, str(entry)], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert ("/x/.releases on this computer: words of the system. Whose" in run.stderr) == explained, run.stderr
    assert ("Traceback" in run.stderr) != explained, run.stderr


@pytest.mark.parametrize("words", ["cp: cannot create 'a': Permission denied", 'cp: "b": No space left on device'])
def test_a_file_that_local_could_not_write_is_told_in_its_programs_words(words: str) -> None:
    line = f"[@local] Command socket/SSH error: {util.format_exception(OSError(words))}"
    assert without_wrapping(line) == f"[@local] {words}"
