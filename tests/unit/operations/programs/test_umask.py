"""Directories have their mode whatever root's umask is: with 077 nobody but root would get through them."""

import re

import pytest

from group_data.schema.paths import CHECKOUT
from operations.host import program

# These run in a unit of systemd, which sets the umask, or make what root alone enters.
OWN = {"build.sh", "build_keys.sh", "build_toolchain.sh", "branch_scratch.sh"}

MADE = re.compile(r"^[^#\n]*\b(mkdir(?! -m)|install -d(?!.* -m ))", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(path.name for path in program.PROGRAMS.glob("*.sh")))
def test_a_program_that_makes_directories_sets_their_mode(name: str) -> None:
    text = (program.PROGRAMS / name).read_text()
    assert name in OWN or not MADE.search(text) or re.search(r"\bumask 0", text)


def test_steps_give_directories_their_mode() -> None:
    steps = [path for room in ("operations", "deploys") for path in (CHECKOUT / room).rglob("*.py")]
    made = [
        call for path in steps for call in re.findall(r"files\.directory\((?:[^()]|\([^()]*\))*\)", path.read_text())
    ]
    assert len(made) > 5
    assert [call for call in made if "mode=" not in call] == []
