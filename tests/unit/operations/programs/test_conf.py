"""The files beside switch.sh and build.sh set each name that the program declares, and bash reads every value back."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import build, switch

CONFS: dict[str, Callable[[Environment], str]] = {"switch.sh": switch.conf, "build.sh": build._conf}

# What each group of settings changes in a conf.
KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "distillery": {"release_tool": "distillery"},
    "database elsewhere": {"database_managed": False, "database_host": "db.example.com"},
    "commands": {"migrate_command": 'IO.puts("it\'s $HOME")', "build_commands": ["echo 'a b'", "make assets"]},
}


def split(name: str) -> tuple[str, str]:
    """The declarations of a program before it reads its conf, and its code after that."""
    before, found, after = program.text(name).partition('\n. "$0.conf"\n')
    assert found
    return before, after


def declared(name: str) -> list[str]:
    """The names that a program declares, which shellcheck then knows."""
    lines = [line for line in split(name)[0].splitlines() if not line.startswith("#")]
    return re.findall(r"\b([a-z_]+)=(?:''|\(\))", "\n".join(lines))


def assigned(conf: str) -> list[str]:
    return re.findall(r"^([a-z_]+)=", conf, re.MULTILINE)


@pytest.mark.parametrize("name", list(CONFS))
@pytest.mark.parametrize("settings", KINDS.values(), ids=list(KINDS))
def test_each_name_once(environment: Callable[..., Environment], name: str, settings: dict[str, Any]) -> None:
    names = assigned(CONFS[name](environment(**settings)))
    assert sorted(names) == sorted(declared(name))
    assert len(names) == len(set(names)) > 10


@pytest.mark.parametrize("name", list(CONFS))
def test_the_program_uses_each_name(name: str) -> None:
    code = split(name)[1]
    # With a dollar, or in arithmetic without one.
    assert [one for one in declared(name) if not re.search(rf"\$\{{?{one}\b|\(\(.*\b{one}\b", code)] == []


def read_by_bash(conf: str, tmp_path: Path, name: str) -> list[str]:
    """The value of a name, or those of a list, when bash has read a conf."""
    file = tmp_path / "conf"
    file.write_text(conf)
    script = f'set -eu; . "$1"; printf "%s\\0" "${{{name}[@]}}"'
    done = subprocess.run(["bash", "-c", script, "bash", file], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split("\0")[:-1]


EVIL = 'it\'s $HOME `id` "x" \\ $(id) é'


def test_bash_reads_an_expression_back(environment: Callable[..., Environment], tmp_path: Path) -> None:
    conf = switch.conf(environment(migrate_command=f"IO.puts(~s|{EVIL}|)"))
    [expression] = read_by_bash(conf, tmp_path, "migrate_expression")
    assert expression.endswith(f"\nIO.puts(~s|{EVIL}|)")
    assert read_by_bash(conf, tmp_path, "releases") == ["/home/billing/stage/releases"]


def test_bash_reads_build_commands_back(environment: Callable[..., Environment], tmp_path: Path) -> None:
    commands = [EVIL, "npm ci --prefix assets"]
    conf = build._conf(environment(build_commands=commands))
    assert read_by_bash(conf, tmp_path, "build_commands") == commands
    assert read_by_bash(conf, tmp_path, "assemble")[0] == "mix"


def test_only_a_managed_database_is_named(environment: Callable[..., Environment], tmp_path: Path) -> None:
    """The switch backs up what it names."""
    assert read_by_bash(switch.conf(environment()), tmp_path, "database") == ["billing_stage"]
    elsewhere = environment(**KINDS["database elsewhere"])
    assert read_by_bash(switch.conf(elsewhere), tmp_path, "database") == [""]
