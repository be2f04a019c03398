"""One pattern for a version and one name for its tarball; the shell programs that repeat the pattern agree with it."""

import re
import subprocess

import pytest

from group_data.schema.environment import Environment
from group_data.schema.paths import CHECKOUT
from group_data.schema.version import is_version
from tests.unit.conftest import STAGE

ENVIRONMENT = Environment.model_validate(STAGE)
GOOD = ["0", "0.2.0", "0.2.0+20261122-main-6bfed7e", "1.0.0-rc.1", "2026_11", "a" * 128]
BAD = ["", ".", "..", ".hidden", "-rf", "+1", "_1", "1/2", "1 2", "1;2", "1\n", "1\t2", "é", "$(id)"]
TOO_LONG = "a" * 129

# A match in bash against a pattern that begins as ours does.
IN_BASH = re.compile(r"=~ (\^\[0-9A-Za-z\]\S*\$)")


@pytest.mark.parametrize("version", GOOD)
def test_version_is_accepted_and_its_tarball_names_it(version: str) -> None:
    assert is_version(version)
    assert ENVIRONMENT.version_of(ENVIRONMENT.tarball_name(version)) == version


@pytest.mark.parametrize("text", [*BAD, TOO_LONG])
def test_text_that_is_no_version_is_refused(text: str) -> None:
    assert not is_version(text)
    assert ENVIRONMENT.version_of(ENVIRONMENT.tarball_name(text)) is None


@pytest.mark.parametrize(
    "name", ["billing-0.2.0.tar.gz.sha256", "billing-0.2.0.tar.gz.part", "billing-0.2.0", "other-0.2.0.tar.gz", "0.2.0"]
)
def test_another_file_is_no_tarball(name: str) -> None:
    assert ENVIRONMENT.version_of(name) is None


def test_patterns_in_shell_programs_agree() -> None:
    programs = [*(CHECKOUT / "templates").glob("*.j2"), *(CHECKOUT / "operations/programs").glob("*.sh")]
    patterns = {pattern for program in programs for pattern in IN_BASH.findall(program.read_text())}
    assert patterns, "no shell program checks a version any more: remove this test"
    for pattern in patterns:
        for text in [*GOOD, *BAD]:
            run = subprocess.run(["bash", "-c", f'[[ "$1" =~ {pattern} ]]', "bash", text], check=False)
            assert (run.returncode == 0) == is_version(text), (pattern, text)


@pytest.mark.parametrize("room", ["checkout", "commands", "deploys", "inspection", "operations", "preflight"])
def test_python_composes_the_name_in_one_place(room: str) -> None:
    # A version in braces or in quotes, before the end of a tarball's name.
    composed = re.compile(r'version[^"\n]*\}\.tar\.gz|suffix\("\.tar\.gz"\)')
    found = [file for file in (CHECKOUT / room).rglob("*.py") if composed.search(file.read_text())]
    assert found == []
