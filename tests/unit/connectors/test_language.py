"""Hosts answer in one language, whatever theirs is: numbers have a point, and nothing is translated."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pyinfra.api import StringCommand
from pyinfra.connectors.util import make_unix_command

from connectors.exchange import Command, answers, script
from connectors.language import LANGUAGE, spoken
from operations.host import program

TIME = "stat --format %.9Z /etc/passwd"


@pytest.fixture
def german(tmp_path: Path) -> dict[str, str]:
    """The variables of a session whose numbers have a comma, in the language that every Debian has otherwise."""
    locale = tmp_path / "locales/de_DE.utf8"
    shutil.copytree("/usr/lib/locale/C.utf8", locale)
    numbers = locale / "LC_NUMERIC"
    numbers.write_bytes(numbers.read_bytes().replace(b".", b","))
    variables = os.environ | {"LOCPATH": str(locale.parent), "LANG": "de_DE.UTF-8", "LANGUAGE": "de"}
    variables.pop("LC_ALL", None)
    assert "," in run(["sh", "-c", TIME], variables)
    return variables


def run(words: list[str], variables: dict[str, str], stdin: str = "") -> str:
    done = subprocess.run(words, env=variables, input=stdin.encode(), capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def test_a_look_and_a_single_fact(german: dict[str, str]) -> None:
    fact = make_unix_command(StringCommand(TIME), _env=LANGUAGE).get_raw_value()
    assert "." in run(["sh", "-c", fact], german)
    command = Command("", fact)
    done = subprocess.run(["sh", "-s"], env=german, input=script([command]).encode(), capture_output=True, check=True)
    seen, _ = answers([command], done.stdout)
    assert b"." in seen[command].stdout


def test_a_program_that_systemd_or_sudo_starts(
    german: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "PROGRAMS", tmp_path)
    program.text.cache_clear()
    (tmp_path / "time.sh").write_text(f"#!/bin/sh\n# Managed by the deploy repository.\nset -e\n{TIME}\nenv\n")
    words = program.words("time.sh")
    program.text.cache_clear()
    # The first lines say whose file it is.
    assert words[2].startswith("#!/bin/sh\n# Managed by the deploy repository.\nexport LC_ALL=")
    said = run(words, german)
    assert "." in said.split()[0]
    assert {"LC_ALL=C.UTF-8", "LANGUAGE="} <= set(said.split())


def test_sudo_itself(german: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\nenv\n")
    (tmp_path / "sudo").chmod(0o755)
    said = run(["sh", "-c", spoken("sudo -H -n sh -c true")], german | {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert "LC_ALL=C.UTF-8" in said.split()
    assert spoken("sh -c 'a shell of another kind'") == "sh -c 'a shell of another kind'"
