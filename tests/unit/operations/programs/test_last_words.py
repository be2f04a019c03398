"""switch.sh: the words of a release that is not well, which the application chooses."""

import pytest

from tests.unit.operations.programs.stubs import StubHost

# Half of what OTP prints when an application does not start.
BOOT_FAILURE = (
    "Runtime terminating during boot ({#{message=><<101,110,118,105,114,111,110,109,101,110,116,32,118,97,114,105,97,98,"
    "108,101,32,68,65,84,65,66,65,83,69,95,85,82,76>>,'__struct__'=>'Elixir.RuntimeError','__exception__'=>true},[]})"
)


def failing(host: StubHost, status: str, body: str) -> list[str]:
    """The lines of a release whose health page answers like that."""
    host.set("health_timeout", 0)
    host.set("refusal_time", 0)
    (host.path / "body").write_bytes(body.encode("utf-8", "surrogateescape"))
    host.stub("curl", f'case "$*" in *http_code*) printf {status} ;; *) cat "$HOST/body" ;; esac\n')
    return host.run("release", "0.2.0").splitlines()


@pytest.mark.parametrize("status", ["404", "500", "503"])
def test_the_page_that_fails_is_shown(host: StubHost, status: str) -> None:
    words = failing(host, status, '{"database": "timeout"}\n')
    place = words.index(f"/health answered {status} with:")
    assert words[place + 1] == '    {"database": "timeout"}'
    assert words[place + 2] == "The journal's last lines:"


@pytest.mark.parametrize("status", ["502", "504", "301", "000"])
def test_a_page_that_is_not_the_applications_is_not_shown(host: StubHost, status: str) -> None:
    assert not [line for line in failing(host, status, "a page\n") if " with:" in line or "a page" in line]


def test_a_page_is_shown_without_tags_and_control_characters(host: StubHost) -> None:
    words = failing(host, "500", "<html>\n<h1>Oh <b>no</b>\x1b[2J\x9b2J\x07\udc9b</h1>\n\n\n<p>\tcalm down</p></html>")
    place = words.index("/health answered 500 with:")
    assert words[place + 1 : place + 3] == ["    Oh no 2J\ufffd", "    calm down"]


def test_an_endless_page_is_cut(host: StubHost) -> None:
    words = failing(host, "500", "".join(f"{'word ' * 500} {number}\n" for number in range(500)))
    place = words.index("/health answered 500 with:")
    assert words.index("The journal's last lines:") <= place + 11
    assert max(map(len, words)) < 400


def test_an_endless_line_is_cut(host: StubHost) -> None:
    assert max(map(len, failing(host, "500", "x" * 500_000))) < 400


def test_a_failure_to_boot_is_readable(host: StubHost) -> None:
    host.stub("journalctl", f'echo "{BOOT_FAILURE}"\n')
    assert any("environment variable DATABASE_URL" in line for line in failing(host, "502", ""))


def test_the_requests_of_the_switch_are_folded(host: StubHost) -> None:
    host.stub(
        "journalctl",
        "echo the reason\nfor second in $(seq 10 40); do\n"
        'echo "00:00:$second.123 request_id=GK$second [info] GET /health"\n'
        'echo "00:00:$second.124 request_id=GK$second [info] Sent 500 in ${second}ms"\ndone\n',
    )
    (host.bin / "seq").symlink_to("/usr/bin/seq")
    words = failing(host, "500", "")
    assert "    the reason" in words
    assert len(words) < 30


@pytest.mark.parametrize(("step", "hides"), [(-86400, True), (-60, True), (0, False), (86400, False)])
def test_a_clock_that_was_set_hides_no_last_line(host: StubHost, step: int, *, hides: bool) -> None:
    """From its second reading on, which is that of the restart, it is set once more at each."""
    back = f'printf "%s\\n" "$(($(/bin/date +%s) + {step} * $(grep -c "^date +%s" "$HOST/calls")))"'
    host.stub("date", f'[ "$*" = +%s ] || exec /bin/date "$@"\n{back}\n')
    failing(host, "500", "")
    calls = [call for call in host.calls if call.startswith("journalctl")]
    assert calls
    assert [call for call in calls if ("--since" in call) == hides or "--lines 1000" not in call] == []


def seconds(host: StubHost, *dates: str) -> int:
    """How long the log says that a release took while the clock gave these answers."""
    answers = " ;; ".join(f"{number}) echo {date}" for number, date in enumerate(dates, 1))
    clock = f'case $(grep -c "^date +%s" "$HOST/calls") in {answers} ;; *) echo {dates[-1]} ;; esac'
    host.stub("date", f'[ "$*" = +%s ] || exec /bin/date "$@"\n{clock}\n')
    host.run("release", "0.2.0")
    return int((host.state / "revisions.log").read_text().splitlines()[-1].split("\t")[6])


@pytest.mark.parametrize("later", ["1795589681", "1795762481"], ids=["a day back", "a day ahead"])
def test_a_clock_that_was_set_changes_no_length_of_a_release(host: StubHost, later: str) -> None:
    assert 0 <= seconds(host, "1795676081", later) < 60


def test_a_journal_that_cannot_be_read_is_not_the_reason(host: StubHost) -> None:
    host.stub("journalctl", "echo no journal >&2\nexit 1\n")
    words = failing(host, "500", "")
    assert "    (it could not be read)" in words
    assert words[-1].startswith("release 0.2.0: FAILED: /health answered 500 through nginx, still after 0 seconds")
    assert "Going back to 0.1.0" in words


def test_a_page_that_cannot_be_read_is_not_the_reason(host: StubHost) -> None:
    host.stub("head", 'case "$*" in *65536*) exit 1 ;; *) exec /usr/bin/head "$@" ;; esac\n')
    assert "/health answered 500 through nginx, still after 0 seconds" in failing(host, "500", "words")[-1]
