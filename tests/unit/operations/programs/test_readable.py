"""readable.pl: what an Erlang VM prints, as text that people can read and that cannot steer their terminal."""

import subprocess
import time

import pytest

from operations.host import program

# What OTP 25 and 27 print when config/runtime.exs raises, shortened; NUMBERS stands for the message.
NUMBERS = ",".join(str(byte) for byte in b"environment variable DATABASE_URL is missing.\nFor example: ecto://USER")
MESSAGE = "environment variable DATABASE_URL is missing. For example: ecto://USER"
MAP = f"#{{message=><<{NUMBERS}>>,'__struct__'=>'Elixir.RuntimeError','__exception__'=>true}}"
STACK = "[{erl_eval,do_apply,7,[{file,\"erl_eval.erl\"},{line,744}]},{'Elixir.Config','__eval__!',3,[{_},{_}]}]"


def readable(text: str | bytes) -> str:
    command = ["perl", "-e", program.text("readable.pl")]
    given = text if isinstance(text, bytes) else text.encode()
    done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"Runtime terminating during boot ({{{MAP},{STACK}}})", "Runtime terminating during boot: "),
        (f'{{"init terminating in do_boot",{{{MAP},{STACK}}}}}', "init terminating in do_boot: "),
        (f"{{{MAP},{STACK}}}", ""),
        (f"Nov 28 00:04:15 billing[7]: Runtime terminating during boot ({{{MAP},{STACK}}})",
         "Nov 28 00:04:15 billing[7]: Runtime terminating during boot: "),
    ],
    ids=["otp_27", "otp_25", "the_term_alone", "in_the_journal"],
)  # fmt: skip
def test_an_exception_at_boot_shows_its_message(line: str, shown: str) -> None:
    assert readable(line) == f"{shown}** (RuntimeError) {MESSAGE}\n"


@pytest.mark.parametrize("cut", [len("Runtime terminating during boot ({#{message=><<101,110,11"), 120, 200])
def test_a_term_that_was_cut_off_shows_what_is_left(cut: int) -> None:
    shown = readable(f"Runtime terminating during boot ({{{MAP},{STACK}}})"[:cut])
    words, dots = shown.removeprefix("Runtime terminating during boot: ** (error) ").rstrip("\n")[:-3], shown[-4:-1]
    assert dots == "..."
    assert words
    assert MESSAGE.startswith(words.rstrip())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("<<195,188,98,101,114>>", '"über"'),
        ("<<195,188,98,101,195", '"übe..."'),
        ('{error,<<"no route"/utf8>>}', '{error,"no route"}'),
        ("[101,110,118,105]", '"envi"'),
        ("<<0,1,2,255>>", "<<0,1,2,255>>"),
        ("<<255,254>>", "<<255,254>>"),
        ("[1,2,3,4,5]", "[1,2,3,4,5]"),
        ("{shutdown,{'Elixir.Billing.Repo',start_link,[]}}", "{shutdown,{Billing.Repo,start_link,[]}}"),
        (f"** (EXIT) {STACK}", "** (EXIT) [...]"),
        ("** (Postgrex.Error) ERROR 42P01 (undefined_table)", "** (Postgrex.Error) ERROR 42P01 (undefined_table)"),
        ("[info] == Running 20260101000000 A.change/0", "[info] == Running 20260101000000 A.change/0"),
    ],
)  # fmt: skip
def test_terms_become_text_and_text_stays(line: str, shown: str) -> None:
    assert readable(line) == f"{shown}\n"


def test_a_message_within_a_string_is_found() -> None:
    """The crash of an application: the kernel's term holds another one as a string."""
    term = r"{bad_return,#{message => <<\"could not find :os_mon\">>,'__struct__' => 'Elixir.RuntimeError'}}"
    shown = readable(
        f'{{"Kernel pid terminated",application_controller,"{{application_start_failure,billing,{term}}}"}}'
    )
    assert shown == "Kernel pid terminated: ** (RuntimeError) could not find :os_mon\n"


def test_words_around_a_term_stay() -> None:
    inner = f"{{bad_return,{{{{'Elixir.Billing.Application',start,[normal,[]]}},{{'EXIT',{{{MAP},{STACK}}}}}}}}}"
    shown = readable(
        f'Kernel pid terminated (application_controller) ("{{application_start_failure,billing,{inner}}}")'
    )
    assert shown == f"Kernel pid terminated (application_controller): ** (RuntimeError) {MESSAGE}\n"
    assert readable(f"GenServer {{Registry, a}} ended: {MAP} (twice)") == (
        f"GenServer {{Registry, a}} ended: ** (RuntimeError) {MESSAGE} (twice)\n"
    )


def test_empty_lines_are_left_out() -> None:
    assert readable("one\n\n   \nNov 28 00:04:15 billing[7]: \ntwo\n") == "one\ntwo\n"


def test_lines_that_differ_in_times_and_processes_alone_are_folded() -> None:
    line = "00:04:15.{0} [error] Postgrex.Protocol (#PID<0.{0}.0>) failed to connect: refused\n\n"
    shown = readable("".join(line.format(number) for number in range(613, 621)) + "the end\n")
    assert shown.splitlines() == [line.format(613).strip(), "... 7 more like this", "the end"]


def test_connections_of_a_pool_are_folded() -> None:
    line = '[error] Postgrex.Protocol (#PID<0.{0}.0> ("db_conn_{0}")) failed to connect: refused\n'
    shown = readable("".join(line.format(number) for number in range(1, 6)))
    assert shown.splitlines() == [line.format(1).strip(), "... 4 more like this"]


def test_groups_of_lines_are_folded() -> None:
    group = "12:00:{0} request_id=F{0}abc [info] GET /health\n12:00:{0} request_id=F{0}abc [info] Sent 500 in {0}ms\n"
    shown = readable("".join(group.format(number) for number in range(10, 20)))
    assert shown.splitlines() == [*group.format(10).splitlines(), "... 9 more like these 2 lines"]


def test_what_only_looks_alike_stays() -> None:
    lines = [
        "== Running 20260101000000 A.change/0", "create table users", "== Migrated 20260101000000 in 0.0s",
        "== Running 20260102000000 B.change/0", "create table entries", "== Migrated 20260102000000 in 0.1s",
        "Sent 200 in 3ms", "Sent 500 in 3ms", "twice", "twice",
    ]  # fmt: skip
    assert readable("\n".join(lines)).splitlines() == lines


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"a\x07\x08\x00b\x9b\xc2\x9b1m", "ab\ufffd1m"),
        ("\u202eevil\u200b".encode(), "evil"),
        (b"one\rtwo\tthree", "one two three"),
        (b"\xff\xfe caf\xc3\xa9", "\ufffd\ufffd café"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"<<27,91,51,49,109,104,105>>", '"hi"'),
    ],
)  # fmt: skip
def test_nothing_steers_a_terminal(given: bytes, shown: str) -> None:
    assert readable(given) == f"{shown}\n"


# Bytes that could make a program that takes terms apart work for ever, or keep all of it.
@pytest.mark.parametrize(
    "piece", [b"#{", b"#{message=>", b"<<1,", b"[{a,b,1,[", b'"', b'\\"', b'<<\\"', b"\x1b]", b"({\",", b"\xc3", b"1"]
)  # fmt: skip
def test_an_endless_line_is_cut(piece: bytes) -> None:
    begin = time.monotonic()
    shown = readable(piece * (500_000 // len(piece)) + b"\nthe end\n")
    assert shown.endswith("the end\n")
    assert len(shown) < 3_000
    assert time.monotonic() - begin < 30


def test_a_line_shows_as_soon_as_it_is_there() -> None:
    with subprocess.Popen(
        ["perl", "-e", program.text("readable.pl")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdin
        assert run.stdout
        run.stdin.write(b"== Running 20260101000000 A.change/0\n")
        run.stdin.flush()
        assert run.stdout.readline() == b"== Running 20260101000000 A.change/0\n"
        run.stdin.close()
