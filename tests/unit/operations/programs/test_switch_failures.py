"""switch.sh: an unexpected failure of a command is a failure of the action, not a stop from outside."""

import pytest

from tests.unit.operations.programs.stubs import StubHost
from tests.unit.sample import sample

NEW = "20260201000000"

# By the command that fails: a part of the text that the reason quotes.
UNFORESEEN = {
    "ln": "the link",
    "mv": "could not be renamed into place",
    "awk": "awk",
    "sync": "sync",
    "df": "df --block-size=1",
}

DATE = 'exec /bin/date "$@"\n'


@pytest.mark.parametrize("command", UNFORESEEN)
def test_a_command_that_fails_is_named_with_its_line(host: StubHost, command: str) -> None:
    host.migrations("down", NEW)
    # `mv` and `sync` are needed to begin: they fail at the link, and at the dump.
    last_word = {"mv": " billing", "sync": ".dump.part"}.get(command, "")
    host.stub(command, f'case "$*" in *{last_word!r}) exit 9 ;; esac\nexec /bin/{command} "$@"\n')
    words = host.run("release", "0.2.0")
    last = words.splitlines()[-1]
    assert last.startswith("release 0.2.0: FAILED: ")
    assert UNFORESEEN[command] in last or "failed with status 9: " in last
    assert "from outside" not in words
    assert host.log == ["release 0.2.0 ended"]
    assert host.current == "0.1.0"
    assert not host.is_busy


def test_a_node_that_does_not_answer_says_something_against_the_version(host: StubHost) -> None:
    host.stub("node", "exit 9\n")
    assert "the node does not" in host.run("release", "0.2.0").splitlines()[-1]
    assert host.log == ["release 0.2.0 failed"]
    assert host.current == "0.1.0"


def test_the_line_and_the_command_are_the_programs_own(host: StubHost) -> None:
    host.migrations("down", NEW)
    host.stub("df", "exit 9\n")
    last = host.run("release", "0.2.0").splitlines()[-1]
    number, _, command = last.partition("FAILED: line ")[2].partition(" of switch failed with status 9: ")
    assert command in host.switch.read_text().splitlines()[int(number) - 1]


# `df` of /run: bytes and inodes that are left, and all inodes. A file system may have no number of inodes.
FULL = ["4096 900 1000", "1000000000 3 1000", ""]


def run_is(host: StubHost, words: str, condition: str = "true") -> None:
    asked = f'case "$*" in *" /run") {condition} ;; *) false ;; esac'
    host.stub("df", f'{asked} || exec /usr/bin/df "$@"\necho headings; echo "{words}"\n')


@pytest.mark.parametrize("words", FULL)
def test_without_room_in_run_nothing_is_stopped(host: StubHost, words: str) -> None:
    run_is(host, words)
    said = host.run("release", "0.2.0")
    assert "release 0.2.0: FAILED: /run has no room: billing_stage.service would stop, and not start again" in said
    assert host.log == ["release 0.2.0 ended"]
    assert (host.current, host.called("systemctl restart")) == ("0.1.0", 0)


@pytest.mark.parametrize("words", ["1000000000 900 1000", "1000000000 0 0", "1000000000 - -"])
def test_with_room_in_run_all_is_well(host: StubHost, words: str) -> None:
    run_is(host, words)
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"


@pytest.mark.parametrize("words", FULL)
def test_a_migration_that_could_not_be_started_without_room_in_run(host: StubHost, words: str) -> None:
    """systemd has its files of a transient unit there."""
    host.migrations("down", NEW)
    started = (host.bin / "systemd-run").read_text().partition('calls"\n')[2]
    full = 'case "$*" in *UP*) : > "$HOST/full"; echo "Unit task.service not found." >&2; exit 1 ;; esac\n'
    host.stub("systemd-run", full + started)
    run_is(host, words, '[ -e "$HOST/full" ]')
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert last.endswith("; /run has no room, so this says nothing against 0.2.0: make room there")
    assert host.log == ["release 0.2.0 ended"]


def test_a_journal_that_cannot_be_read_hides_no_reason(host: StubHost) -> None:
    host.stub("journalctl", "exit 9\n")
    host.stub("curl", "printf 500\n")
    host.set("health_timeout", 0)
    assert "answered 500 through nginx" in host.run("release", "0.2.0").splitlines()[-1]


@pytest.mark.parametrize(("action", "call"), [("release 0.2.0", 1), ("release 0.2.0", 2), ("migrate", 1)])
def test_a_time_that_cannot_be_told_ends_the_action(host: StubHost, action: str, call: int) -> None:
    host.migrations("down", NEW)
    host.stub("date", f'[ "$*" != +%s ] || [ "$(grep -c "^date +%s" "$HOST/calls")" != {call} ] || exit 9\n{DATE}')
    last = host.run(*action.split()).splitlines()[-1]
    assert " failed with status " in last
    assert "date +%s" in last


def test_a_root_that_leads_elsewhere(host: StubHost) -> None:
    elsewhere = host.path / "elsewhere"
    host.root.rename(elsewhere)
    host.root.symlink_to(elsewhere)
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert f"{host.root} leads elsewhere: apply first" in last
    assert host.log == ["release 0.2.0 ended"]
    assert host.called("restart") == 0


def test_a_failure_within_a_substitution_ends_the_action(host: StubHost) -> None:
    """A pending migration must not pass for none because the list could not be read."""
    host.migrations("down", NEW)
    host.stub("awk", 'case "$1" in *down*) exit 9 ;; esac; exec /usr/bin/awk "$@"\n')
    words = host.run("release", "0.2.0")
    assert "No migration is pending." not in words
    assert host.log == ["release 0.2.0 ended"]


def test_systemd_that_does_not_answer_is_no_healthy_release(host: StubHost) -> None:
    host.stub("systemctl", 'case "$*" in *MainPID*) exit 1 ;; esac\n')
    assert "release 0.2.0: done" not in host.run("release", "0.2.0")
    assert "release 0.2.0 good" not in host.log


@pytest.mark.parametrize("size", [0, 10, 60])
def test_a_disk_that_is_full_at_the_beginning(host: StubHost, size: int) -> None:
    words = host.run("release", "0.2.0", limit=size)
    assert not words.splitlines()[-1].endswith(": done")
    assert (host.current, host.log, host.is_busy, host.called("restart")) == ("0.1.0", [], False, 0)


@pytest.mark.parametrize("size", sample(range(110, 400, 40), 110, 230, 350))
def test_a_disk_that_fills_up_later(host: StubHost, size: int) -> None:
    """The limit of a file's size stands for the end of the disk: it falls into one note or another."""
    words = host.run("release", "0.2.0", limit=size)
    assert "from outside" not in words
    assert host.log in ([], ["release 0.2.0 failed"], ["release 0.2.0 good"])
    assert host.current == ("0.2.0" if words.splitlines()[-1].endswith(": done") else "0.1.0")
    assert not host.is_busy


def test_a_release_that_cannot_be_written_down_is_not_done_until_it_is(host: StubHost) -> None:
    log = host.state / "revisions.log"
    log.mkdir()
    words = host.run("release", "0.2.0").splitlines()
    assert words[-1] == f"release 0.2.0 could not be written to {log}: make room there"
    assert (host.current, host.is_busy) == ("0.2.0", True)
    log.rmdir()
    words = host.run("restart").splitlines()
    assert "release 0.2.0: done" in words
    assert (host.current, host.is_busy) == ("0.2.0", False)
    assert host.log == ["release 0.2.0 good", "restart 0.2.0 good"]


def test_an_action_that_cannot_note_its_beginning_does_not_begin(host: StubHost) -> None:
    host.stub("sync", "exit 9\n")
    words = host.run("release", "0.2.0")
    assert "switching could not be written, for the reason above, and no action begins without it" in words
    assert (host.current, host.log, host.is_busy, host.called("restart")) == ("0.1.0", [], False, 0)
    assert not (host.state / "switching.new").exists()


@pytest.mark.parametrize("rest", ["release\t0.2.0", "\0\0\0\0", "2026-01-01T00:00:00Z\tann"])
def test_a_record_that_was_cut_short_swallows_no_other(host: StubHost, rest: str) -> None:
    log = host.state / "revisions.log"
    log.write_text(rest)
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    first, last = log.read_text().splitlines()
    assert (first, last.split("\t")[2:6]) == (rest, ["release", "0.2.0", "-", "good"])


@pytest.mark.parametrize("before", ["0.1.0", None])
def test_a_link_that_cannot_be_set_back_stays_to_be_done(host: StubHost, before: str | None) -> None:
    """The disk becomes read-only after the switch. A restart would start the bad release again."""
    host.link(before)
    host.stub("curl", 'case $(readlink "$HOST/root/billing") in *0.2.0) printf 500 ;; *) printf 200 ;; esac\n')
    host.set("health_timeout", 0)
    for command in ("ln", "rm"):
        refuses = f'*billing*" "*0.2.0) echo "{command}: Read-only file system" >&2; exit 1'
        body = f'case "$* $(readlink "$HOST/root/billing")" in {refuses} ;; esac\nexec /bin/{command} "$@"\n'
        host.stub(command, body)
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert last.startswith("release 0.2.0: FAILED: ")
    assert "answered 500 through nginx" in last
    assert last.endswith("The next action goes back first: mend that, then make restart ENV=stage")
    assert (host.current, host.log, host.is_busy) == ("0.2.0", [], True)
    for command in ("ln", "rm"):
        host.stub(command, f'exec /bin/{command} "$@"\n')
    words = host.run("restart")
    assert "release 0.2.0 was cut off: ending that first" in words
    assert (host.current, host.is_busy) == (before, False)
    assert host.log[0] == "release 0.2.0 failed"
    assert (words.splitlines()[-1] == "restart 0.1.0: done") == (before is not None)
