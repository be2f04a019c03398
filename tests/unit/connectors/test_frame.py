"""A command's answer is its own: nothing that a login shell prints before it, and root needs no sudo."""

import subprocess
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from connectors.exchange import Answer, Command, answers, script
from connectors.frame import ANNOUNCE, MARK, SUDO, Behind, Framed, after_mark, announced, skip_noise

# The title of a terminal ends without a new line: the mark then stands in the same line.
NOISES = {
    "none": "",
    "lines": "echo welcome; echo 'not an error' >&2\n",
    "no new line": "echo welcome; printf '\\033]0;title\\007' | tee /dev/stderr\n",
}
EACH = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)


def framed(stream: bytes, **arguments: Any) -> Framed:
    return Framed(None, BytesIO(stream).read, **arguments)


@EACH
def test_the_outputs_are_the_commands_alone(noise: str) -> None:
    """As sshd does it: what .bashrc does comes before the command, in the same shell."""
    run = subprocess.run(
        ["bash", "-c", f"{noise}{announced('echo out; echo err >&2; exit 3')}"], capture_output=True, check=False
    )
    found: list[bool] = []
    outputs = [framed(stream, found=found.append) for stream in (run.stdout, run.stderr)]
    assert [list(output) for output in outputs] == [["out\n"], ["err\n"]]
    assert (run.returncode, found) == (3, [bool(noise)] * 2)


@EACH
def test_a_look_is_read_behind_noise(noise: str) -> None:
    command = Command("", "sh -c 'echo answer; echo err >&2'")
    run = subprocess.run(
        ["bash", "-c", f"{noise}sh -s"], input=script([command]).encode(), capture_output=True, check=True
    )
    assert answers([command], run.stdout)[0] == {command: Answer(0, b"answer\n", b"err\n")}
    assert after_mark(run.stdout)[1] is bool(noise)


@EACH
def test_a_session_for_files_begins_behind_noise(noise: str) -> None:
    run = subprocess.run(["bash", "-c", f"{noise}{ANNOUNCE}; printf 'SFTP'"], capture_output=True, check=True)
    stream = BytesIO(run.stdout)
    assert skip_noise(lambda: stream.read(1))
    assert stream.read() == b"SFTP"


def test_a_session_for_files_without_a_mark_ends() -> None:
    stream = BytesIO(b"broken")
    assert not skip_noise(lambda: stream.read(1))
    assert not skip_noise(lambda: b"x")


def test_without_a_mark_there_is_no_answer() -> None:
    assert list(framed(b"broken\n")) == []
    assert after_mark(b"broken") == (b"", True)


@pytest.mark.parametrize("marked", [True, False])
def test_nothing_of_an_answer_steers_a_terminal(marked: bool) -> None:
    before = f"{MARK}\n" * marked
    stream = f"{before}\x1b]0;title\x07one\ttwo\x9b2J\u202e\rforged\n\x00last".encode()
    assert list(framed(stream, marked=marked)) == ["?]0;title?one\ttwo?2J??forged\n", "?last"]


def test_an_answer_may_be_no_text() -> None:
    assert list(framed(b"\xff\xfe\n", marked=False)) == ["\ufffd\ufffd\n"]


def test_an_answer_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LIMIT", 100_000), ("_LONGEST_LINE", 5000), ("_PIECE", 100)):
        monkeypatch.setattr(f"connectors.frame.{name}", value)
    ended: list[bool] = []
    assert list(framed(b"x" * 4900, marked=False, end=lambda: ended.append(True))) == ["x" * 4900]
    assert ended == []
    for endless in (b"x" * 10_000, b"x\n" * 1000, b"\n" * 1000, b"x" * 4000 + b"\n" * 1000):
        *_, last = framed(endless, marked=False, end=lambda: ended.append(True))
        assert last.endswith("that is no answer")
    assert ended == [True] * 4


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A PATH without sudo, on which each program says how it was started."""
    for name in ("getent", "id"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    for name in ("cut", "sh"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    (tmp_path / "runuser").write_text('#!/bin/sh\necho "runuser $*, home $HOME"\n')
    (tmp_path / "runuser").chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("line", "out", "status"),
    [
        ("sudo -H -n sh -c 'echo as root'", "as root\n", 0),
        ("sudo -H -n -u nobody sh -c 'x y'", "runuser -u nobody -- sh -c x y, home /nonexistent\n", 0),
        ("sudo -n -u ghost true", "", 1),
        ("sudo -n sh -c 'exit 7'", "", 7),
    ],
)
def test_root_needs_no_sudo(bare: str, line: str, out: str, status: int) -> None:
    run = subprocess.run(
        ["/bin/sh", "-c", f"{SUDO}{line}"], env={"PATH": bare}, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (status, out)
    # pyinfra knows a user that is not there by this line.
    assert run.stderr == ("sudo: unknown user ghost\n" if "ghost" in line else "")


def test_sudo_is_taken_where_it_is(bare: str) -> None:
    (Path(bare) / "sudo").write_text("#!/bin/sh\necho real\n")
    (Path(bare) / "sudo").chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", "-c", f"{SUDO}sudo -n x"], env={"PATH": bare}, capture_output=True, text=True, check=True
    )
    assert run.stdout == "real\n"


@EACH
def test_what_ssh_brings_begins_behind_noise(noise: str) -> None:
    line = f"{noise}{announced('echo out; echo err >&2')}"
    run = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    for stream, words in ((run.stdout, b"out\n"), (run.stderr, b"err\n")):
        source = Behind(BytesIO(stream))
        assert b"".join(iter(partial(source.read1, 3), b"")) == words


def test_a_login_shell_that_runs_no_command_is_heard() -> None:
    """Such as nologin, or a .bashrc that ends the shell."""
    heard: list[str] = []
    assert list(framed(b"\nThis account is \033[1mnot available.\n", mute=heard.append)) == []
    assert heard == ["This account is ?[1mnot available."]
    source = Behind(BytesIO(b"This account is not available.\n"))
    assert source.read1(100) == b"This account is not available.\n"
