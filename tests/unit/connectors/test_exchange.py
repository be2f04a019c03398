"""A real shell runs the script, with `env` in place of sudo. tests/host shows it with root on a host."""

import gzip
import os
import subprocess
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from connectors import exchange
from connectors.exchange import LIMIT, Answer, Command, answers, script
from connectors.frame import MARK

# Other users are other groups of commands; env stands for whatever becomes one.
OTHER = "env USER=other"


def run(
    commands: Sequence[Command], first: str | None = None, **environment: str
) -> tuple[dict[Command, Answer], Answer | None]:
    done = subprocess.run(
        ["sh", "-s"],
        input=script(commands, first).encode(),
        capture_output=True,
        check=True,
        env=os.environ | environment,
    )
    return answers(commands, done.stdout)


def ask(text: str, become: str = OTHER) -> Command:
    return Command(become, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sh -c 'echo out; echo err >&2; exit 3'", Answer(3, b"out\n", b"err\n")),
        ("sh -c 'printf no-newline'", Answer(0, b"no-newline", b"")),
        ("sh -c true", Answer(0, b"", b"")),
        (r"sh -c 'printf \\000\\377\\n\\n'", Answer(0, b"\0\xff\n\n", b"")),
        ("sh -c 'cat; echo done'", Answer(0, b"done\n", b"")),
        ("sh -c 'echo $USER'", Answer(0, b"other\n", b"")),
        ("sh -c 'echo \"a\nend-b\n\"'", Answer(0, b"a\nend-b\n\n", b"")),
        ("sh -c ')'", Answer(2, b"", b'sh: 1: Syntax error: ")" unexpected\n')),
    ],
)
def test_a_command_answers_as_by_itself(text: str, expected: Answer) -> None:
    assert run([ask(text)]) == ({ask(text): expected}, None)


def test_one_that_fails_does_not_disturb_the_others() -> None:
    commands = [ask("sh -c 'echo 1'"), ask("sh -c 'exit 9'"), ask("sh -c 'kill -9 $$'"), ask("sh -c 'echo 2'", "")]
    answered, _ = run(commands)
    assert {command.text: answer.stdout for command, answer in answered.items()} == {
        "sh -c 'echo 1'": b"1\n",
        "sh -c 'exit 9'": b"",
        "sh -c 'echo 2'": b"2\n",
    }


def test_a_first_command_that_reads_its_input_leaves_the_script_alone() -> None:
    """As sudo does with log_input."""
    commands = [ask("sh -c 'echo looked'")]
    answered, first = run(commands, "sh -c 'cat; echo changed'")
    assert first == Answer(0, b"changed\n", b"")
    assert answered == {commands[0]: Answer(0, b"looked\n", b"")}


def test_a_small_answer_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 4 * 1024 * 1024
    monkeypatch.setattr(exchange, "STREAM_LIMIT", limit)
    bomb = f"{MARK}\n".encode() + gzip.compress(b"1 0.out\n1 total\n\n" + bytes(20 * limit), compresslevel=9)
    assert len(bomb) < limit / 20
    tracemalloc.start()
    assert answers([ask("sh -c true")], bomb) == ({}, None)
    assert tracemalloc.get_traced_memory()[1] < 3 * limit
    tracemalloc.stop()


def test_they_run_side_by_side(tmp_path: Path) -> None:
    # Each waits for the other.
    commands = [
        ask(f"sh -c 'cd {tmp_path}; touch {mine}; until [ -e {other} ]; do sleep 0.05; done'")
        for mine, other in (("a", "b"), ("b", "a"))
    ]
    assert len(run(commands)[0]) == 2


@pytest.mark.parametrize("text", ["sh -c 'sleep 600'", "sh -c 'trap \"\" TERM; sleep 600; sleep 600'"])
def test_commands_that_hang_are_left_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 5)
    # A machine that has much else to do is given time.
    monkeypatch.setattr(exchange, "_GRACE", 60)
    began = time.monotonic()
    hanging = [ask(text), ask(f"{text} too")]
    answered, _ = run([ask("sh -c 'echo before'"), *hanging, ask("sh -c 'echo after'"), ask("sh -c 'echo it'", "")])
    assert [answer.stdout for answer in answered.values()] == [b"before\n", b"after\n", b"it\n"]
    assert time.monotonic() - began < 300, "it waited for the commands that hang"


# As timeout does it, which tells the shell first and then its whole group, on a machine where that takes a second.
SLOW_TIMEOUT = """\
#!/bin/sh
shift 3
exec 3<&0
setsid "$@" <&3 &
sleep 1
for _ in $(seq 100000); do kill -TERM -$!; done 2>/dev/null
wait $!
"""


def test_the_answers_of_the_other_commands_arrive_then(tmp_path: Path) -> None:
    (tmp_path / "timeout").write_text(SLOW_TIMEOUT)
    (tmp_path / "timeout").chmod(0o755)
    commands = [ask("sh -c 'echo before'"), ask("sh -c 'exec sleep 600'")]
    answered, _ = run(commands, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert answered == {commands[0]: Answer(0, b"before\n", b"")}


@pytest.mark.parametrize("redirected", ["", ">&2"])
def test_a_user_with_too_much_output_has_no_answers(redirected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "LIMIT", 1024 * 1024)
    long, more = (ask(f"sh -c 'head -c {size} /dev/zero {redirected}'") for size in (900 * 1024, 1024 * 1024))
    small = ask("sh -c 'echo small'", "")
    assert {command: len(answer.stdout or answer.stderr) for command, answer in run([long, small])[0].items()} == {
        long: 900 * 1024,
        small: 6,
    }
    assert list(run([long, more, ask("sh -c 'echo 1'"), small])[0]) == [small]


def test_where_there_is_no_room_nothing_is_told(tmp_path: Path) -> None:
    commands = [ask("sh -c 'echo 1'"), ask("sh -c 'head -c 300000 /dev/zero'")]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], check=True)
    try:
        text = script(commands).replace("-p /dev/shm", f"-p {tmp_path}")
        done = subprocess.run(["sh", "-s"], input=text.encode(), capture_output=True, check=True)
        assert answers(commands, done.stdout)[0] == {}
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_command_runs_with_the_limits_and_the_umask_it_has_by_itself() -> None:
    line = "sh -c 'ulimit -a; umask'"
    alone = subprocess.run(["sh", "-c", line], capture_output=True, check=True).stdout
    answered, first = run([ask(line)], line)
    assert first
    assert [answered[ask(line)].stdout, first.stdout] == [alone, alone]


def test_a_refused_user_has_no_answers(tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    sudo.chmod(0o755)
    commands = [ask("sh -c id", str(sudo)), ask("sh -c 'echo own'", "")]
    assert list(run(commands)[0]) == [commands[1]]


def test_a_user_who_does_not_exist_answers_as_sudo_does(tmp_path: Path) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\necho 'sudo: unknown user billing' >&2\nexit 1\n")
    sudo.chmod(0o755)
    commands = [ask("sh -c id", str(sudo)), ask("sh -c pwd", str(sudo))]
    assert run(commands)[0] == dict.fromkeys(commands, Answer(1, b"", b"sudo: unknown user billing\n"))


def test_the_first_command_is_done_before_the_others_look(tmp_path: Path) -> None:
    file = tmp_path / "file"
    look = ask(f"sh -c 'cat {file}'")
    answered, first = run([look], f"sh -c 'sleep 0.3; echo written > {file}; echo out; echo err >&2; exit 4'")
    assert (answered[look].stdout, first) == (b"written\n", Answer(4, b"out\n", b"err\n"))


def test_the_first_command_may_say_and_take_what_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "PATIENCE", 1)
    _, first = run([ask("sh -c true")], f"sh -c 'sleep 2; head -c {LIMIT + 1} /dev/zero'")
    assert first
    assert (first.status, len(first.stdout)) == (0, LIMIT + 1)


@pytest.mark.parametrize("memory", ["memory", "absent"])
def test_nothing_is_left_behind(tmp_path: Path, memory: str) -> None:
    for name in ("memory", "disk"):
        (tmp_path / name).mkdir()
    used = tmp_path / "used"
    look = ask(f"sh -c 'ls {tmp_path}/*/tmp.* > {used}'")
    text = script([look, ask("sh -c 'echo 2'", "")], "true").replace("-p /dev/shm", f"-p {tmp_path}/{memory}")
    environment = os.environ | {"TMPDIR": str(tmp_path / "disk")}
    subprocess.run(["sh", "-s"], input=text.encode(), check=True, env=environment, capture_output=True)
    assert used.read_text()
    assert [*(tmp_path / "memory").iterdir(), *(tmp_path / "disk").iterdir()] == []


# Without the time, which would make other names of tests for each of the processes that run them.
@pytest.mark.parametrize(
    "stream",
    [b"", b"sudo: sorry\n", gzip.compress(b"nonsense", mtime=0), gzip.compress(b"9 a\n9 total\n\nshort", mtime=0)],
)
def test_a_stream_that_is_broken_answers_nothing(stream: bytes) -> None:
    assert answers([ask("sh -c true")], stream) == ({}, None)


def test_a_stream_with_output_after_the_sizes_answers_nothing() -> None:
    # Shifted by one, the contents would still make an answer.
    announced = b"2 0.err\n2 0.out\n2 0.status\n6 total\n\n"
    outer = b"%d 0.out\n0 0.err\n2 0.status\n9 total\n\n%s0\n"
    for contents, answered in ((b"a\nb\n0\n", 1), (b"a\nb\n3\n0\n", 0)):
        group = announced + contents
        stream = f"{MARK}\n".encode() + gzip.compress(outer % (len(group), group))
        assert len(answers([ask("sh -c true")], stream)[0]) == answered


def test_a_stream_that_is_cut_short_answers_nothing() -> None:
    command = ask("sh -c 'echo 1'")
    stream = subprocess.run(["sh", "-s"], input=script([command]).encode(), capture_output=True, check=True).stdout
    assert answers([command], stream)[0]
    assert answers([command], stream[:-9])[0] == {}
