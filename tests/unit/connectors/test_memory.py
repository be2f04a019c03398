import os
import stat
from pathlib import Path

import pytest

from connectors.exchange import Command
from connectors.memory import path_of, recall, remember

COMMANDS = {
    "Prepare": [Command("sudo -H -n", "sh -c 'id'")],
    "Execute": [Command("", "sh -c 'echo \"ü\n$x\"'"), Command("sudo -H -n -u postgres", "sh -c true")],
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return path_of(["deploy.py", "stage"])


def test_remembered_commands_are_recalled(path: Path) -> None:
    remember(path, COMMANDS)
    assert recall(path) == COMMANDS


def test_it_is_in_the_users_cache_and_nobody_elses_to_read(path: Path, tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        remember(path, COMMANDS)
    finally:
        os.umask(previous)
    assert path.is_relative_to(tmp_path / "pyinfra-snapshot")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_without_xdg_it_is_below_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of(["deploy.py"]).is_relative_to(tmp_path / ".cache/pyinfra-snapshot")


def test_each_run_has_its_own(path: Path) -> None:
    assert len({path_of(run) for run in (["deploy.py", "stage"], ["deploy.py", "prod"], ["drift", "stage"])}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2}',
        '{"version": 2, "runs": []}',
        '{"version": 2, "runs": {"Prepare": ["sh"]}}',
        '{"version": 2, "runs": {"Prepare": [["sudo", "sh"]]}}',
        '{"version": 2, "runs": {"Prepare": [[["sudo", 7]]]}}',
        '{"version": 2, "runs": {"Prepare": [[["sudo"]]]}}',
        '{"version": 1, "commands": {"Prepare": [["sudo", "sh"]]}}',
        "\udcff",
    ],
)
def test_an_unreadable_file_is_forgotten(path: Path, text: str) -> None:
    remember(path, COMMANDS)
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert recall(path) == {}


def test_nothing_remembered_is_nothing_recalled(path: Path) -> None:
    assert recall(path) == {}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_to_is_not_trusted(path: Path, mode: int) -> None:
    remember(path, COMMANDS)
    path.chmod(mode)
    assert recall(path) == {}


def test_a_file_in_a_directory_that_others_can_write_to_is_not_trusted(path: Path) -> None:
    remember(path, COMMANDS)
    path.parent.chmod(0o777)
    assert recall(path) == {}


def test_a_file_of_another_user_is_not_trusted(path: Path) -> None:
    remember(path, COMMANDS)
    os.chown(path, 65534, 65534)
    assert recall(path) == {}


def test_where_nothing_can_be_kept_nothing_is(path: Path) -> None:
    path.parent.parent.mkdir(exist_ok=True)
    path.parent.write_text("a file stands in the way")
    remember(path, COMMANDS)
    assert recall(path) == {}


def test_the_last_two_runs_are_remembered_each_stage_by_itself(path: Path) -> None:
    one, two, three = (Command("", f"sh -c {number}") for number in (1, 2, 3))
    remember(path, {"Prepare": {one: None}, "Execute": {one: None}})
    remember(path, {"Prepare": {two: None, one: None}})
    assert recall(path) == {"Prepare": [two, one], "Execute": [one]}
    remember(path, {"Prepare": {three: None}})
    assert recall(path)["Prepare"] == [three, two, one]
    remember(path, {"Prepare": {three: None}})
    assert recall(path) == {"Prepare": [three], "Execute": [one]}
