"""Programs as they are sent: with the files they source, and with the shell of their first line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.language import EXPORT
from operations.host import program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of programs in place of operations/programs."""
    monkeypatch.setattr(program, "PROGRAMS", tmp_path)
    program.text.cache_clear()
    (tmp_path / "said.sh").write_text("say() { echo said; }\n")
    yield tmp_path
    program.text.cache_clear()


def test_a_sourced_file_stands_in_place_of_its_line(folder: Path) -> None:
    (folder / "a.sh").write_text("#!/bin/sh\nset -eu\n. ./said.sh\nsay\n")
    assert program.text("a.sh") == f"#!/bin/sh\n{EXPORT}\nset -eu\nsay() {{ echo said; }}\nsay\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_first_line_names_the_shell(folder: Path, shell: str) -> None:
    (folder / "a.sh").write_text(f"#!/bin/{shell}\nexit\n")
    command = program.command("a.sh", "it's", "").get_raw_value()
    assert command == f"{shell} -c '#!/bin/{shell}\n{EXPORT}\nexit\n' a.sh 'it'\"'\"'s' ''"


def test_a_file_of_perl_runs_with_perl(folder: Path) -> None:
    (folder / "a.pl").write_text("#!/usr/bin/perl\nprint @ARGV;\n")
    assert program.command("a.pl", "it's").get_raw_value() == "perl -e '#!/usr/bin/perl\nprint @ARGV;\n' 'it'\"'\"'s'"


@pytest.mark.parametrize(
    "line",
    [
        "    . ./said.sh\n",
        "\t. ./said.sh\n",
        "say() { . ./said.sh; }\n",
        "true && . ./said.sh\n",
        ". ./said.sh || exit\n",
        '. "./said.sh"\n',
        ".  ./said.sh\n",
        "source ./said.sh\n",
        ". ./said.sh # for say\n",
        ". ./said.sh",
    ],
)
def test_a_line_that_sources_in_another_form_is_refused(folder: Path, line: str) -> None:
    (folder / "a.sh").write_text(f"#!/bin/sh\n{line}")
    with pytest.raises(ValueError, match=r"^operations/programs/a\.sh: .*said\.sh"):
        program.text("a.sh")


@pytest.mark.parametrize("line", ['. "$0.conf"\n', "# Reads . ./said.sh.\n", "cat ./said.sh\n", "echo a. ./said.sh\n"])
def test_another_line_stays_as_it_is(folder: Path, line: str) -> None:
    (folder / "a.sh").write_text(f"#!/bin/sh\n{line}")
    assert program.text("a.sh") in (f"#!/bin/sh\n{EXPORT}\n{line}", f"#!/bin/sh\n{line}{EXPORT}\n")


@pytest.mark.parametrize("path", sorted(program.PROGRAMS.glob("*.sh")), ids=lambda path: path.name)
def test_every_program_can_be_sent(path: Path) -> None:
    text = program.text(path.name)
    assert "\n. ./" not in text
    # Linux takes at most 128 KiB in one argument.
    assert len(text.encode()) < 100 * 1024
