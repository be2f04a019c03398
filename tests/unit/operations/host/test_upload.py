"""An upload goes on over a new connection after a lost one, and ends when nothing more arrives."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors import loss
from operations.host import upload

CONTENT = os.urandom(300_000)

# In place of ssh: the command runs here. Each call takes the next line of `plan`: bytes that arrive before a loss, `whole`,
# or `dead` where no connection can be made.
SSH = """#!/bin/bash
step=$(head -n 1 plan); sed -i 1d plan
printf title
case $step in
    whole) "$@" ;;
    dead) echo "ssh: connect to host x port 22: Connection timed out" >&2; exit 255 ;;
    *) head -c "$step" | "$@"; echo "Timeout, server x not responding." >&2; exit 255 ;;
esac
"""


@pytest.fixture
def send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Sequence[str]], Any]]:
    """Sends the content to `there` in a folder, with connections that end as planned."""
    monkeypatch.chdir(tmp_path)
    Path("content").write_bytes(CONTENT)
    Path("ssh").write_text(SSH)
    Path("ssh").chmod(0o755)
    noted: list[tuple[str, bool]] = []
    monkeypatch.setattr(upload, "ssh", lambda _, command, **__: ["./ssh", *command])
    monkeypatch.setattr(upload, "note", lambda _, reason, made: noted.append((reason, made)))
    host = type("Host", (), {"log": lambda *_: None, "log_styled": lambda *_, **__: None})()

    def run(plan: Sequence[str]) -> tuple[bool, list[tuple[str, bool]]]:
        Path("plan").write_text("".join(f"{step}\n" for step in plan))
        return upload._send(None, host, Path("content"), "there"), noted  # type: ignore[arg-type]

    yield run
    assert Path("plan").read_text() == ""
    assert loss.losses == []


def test_a_whole_connection_is_one_command(send: Callable[..., Any], tmp_path: Path) -> None:
    assert send(["whole"]) == (True, [])
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert (tmp_path / "there").stat().st_mode & 0o777 == 0o600


def test_a_longer_part_of_another_upload_is_no_trouble(send: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "there.part").write_bytes(b"x" * 400_000)
    assert send(["whole"]) == (True, [])
    assert (tmp_path / "there").read_bytes() == CONTENT


def test_it_goes_on_from_what_arrived(send: Callable[..., Any], tmp_path: Path) -> None:
    """Each lost connection is followed by the question of what arrived."""
    plan = ["100000", "whole", "50001", "dead", "whole", "dead", "whole", "0", "whole", "whole"]
    assert send(plan) == (True, [])
    assert (tmp_path / "there").read_bytes() == CONTENT
    assert not (tmp_path / "there.part").exists()


@pytest.mark.parametrize("plan", [["100000", "dead", "dead"], ["100000", *["whole", "0"] * 3, "whole"]])
def test_it_ends_when_nothing_more_arrives(send: Callable[..., Any], tmp_path: Path, plan: list[str]) -> None:
    assert send(plan) == (False, [("it said nothing for 15 seconds", True)])
    assert not (tmp_path / "there").exists()


def test_without_a_connection_nothing_is_tried_again(send: Callable[..., Any]) -> None:
    done, [(reason, made)] = send(["dead"])
    assert (done, made) == (False, False)
    assert "Connection timed out" in reason
