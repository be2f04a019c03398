"""switch.sh: a good release, and each kind of bad release."""

from collections.abc import Callable

import pytest

from tests.unit.operations.programs.stubs import StubHost

# By what is wrong with the release: stubs, and words of the reason.
BAD: dict[str, tuple[dict[str, str], str]] = {
    "does not start": (
        {"systemctl": 'case "$*" in *MainPID*) echo 0 ;; esac\n', "curl": "printf 502\n"},
        "billing_stage.service ended by itself",
    ),
    "ends while it starts": (
        {
            "curl": "printf 502\n",
            "systemctl": 'case "$*" in *MainPID*) echo $$ ;; esac\n',
        },
        "billing_stage.service ended by itself",
    ),
    "health answers 500": ({"curl": "printf 500\n"}, "/health answered 500 through nginx, still after 0 seconds"),
    "health does not answer": (
        {"curl": "printf 000; exit 7\n"},
        "/health answered nothing through nginx, still after 0 seconds",
    ),
    "the node is silent": ({"node": "exit 1\n"}, "the site answers, and the node does not: bin/billing rpc failed"),
    "another version boots": (
        {"node": "echo 0.9.9\n"},
        "version 0.9.9 runs, not 0.2.0: the release boots another one than it says",
    ),
    "ends while it settles": (
        {
            "sleep": 'echo 8 > "$HOST/pid"\n',
            # Until going back restarts the unit.
            "systemctl": 'case "$*" in *MainPID*) cat "$HOST/pid" || echo 7 ;; stop*) echo 7 > "$HOST/pid" ;; esac\n',
        },
        "billing_stage.service ended by itself",
    ),
    "health is bad after settling": (
        {"curl": '[ -e "$HOST/settled" ] && printf 503 || printf 200\n', "sleep": 'touch "$HOST/settled"\n'},
        "/health answered 503 through nginx after 1 seconds",
    ),
}


def test_a_good_release(host: StubHost) -> None:
    words = host.run("release", "0.2.0", REVISION="6bfed7e")
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert "No migration is pending." in words
    assert host.current == "0.2.0"
    assert host.log == ["release 0.2.0 good"]
    assert not host.is_busy
    assert host.called("systemctl restart billing_stage.service") == 1
    assert host.backups == []


def test_a_line_of_the_log_says_when_who_and_which_revision(host: StubHost) -> None:
    host.run("release", "0.2.0", REVISION="6bfed7e")
    when, who, action, version, revision, outcome, seconds = (
        (host.state / "revisions.log").read_text().removesuffix("\n").split("\t")
    )
    assert (who, action, version, revision, outcome) == ("ann@desk", "release", "0.2.0", "6bfed7e", "good")
    assert when.endswith("Z")
    assert seconds.isdecimal()


def test_a_line_of_the_log_has_the_reason_of_a_failure(host: StubHost) -> None:
    host.stub("curl", "printf 503")
    host.run("restart")
    *_, version, _, outcome, seconds, reason = (host.state / "revisions.log").read_text().splitlines()[-1].split("\t")
    assert (version, outcome, seconds.isdecimal()) == ("0.1.0", "failed", True)
    assert reason.startswith("/health answered 503")


def test_the_first_release(host: StubHost) -> None:
    host.link(None)
    assert "release 0.2.0: done" in host.run("release", "0.2.0", BEFORE="-")
    assert host.current == "0.2.0"


def test_a_version_that_is_not_there(host: StubHost) -> None:
    words = host.run("release", "0.3.0")
    assert words.splitlines()[-1] == "release 0.3.0: FAILED: there is no release 0.3.0"
    assert host.called("restart") == 0
    assert host.log == ["release 0.3.0 failed"]


def bad(host: StubHost, wrong: str) -> StubHost:
    """The host, on which something is wrong with every release, and which does not wait for one."""
    host.set("health_timeout", 0)
    for name, body in BAD[wrong][0].items():
        host.stub(name, body)
    return host


@pytest.mark.parametrize("wrong", BAD)
def test_a_bad_release_is_gone_back_from(stub_host: Callable[..., StubHost], wrong: str) -> None:
    host = bad(stub_host(), wrong)
    words = host.run("release", "0.2.0")
    assert f"release 0.2.0: FAILED: {BAD[wrong][1]}" in words.splitlines()[-1]
    assert "a line of the journal" in words
    assert "Going back to 0.1.0" in words
    assert host.current == "0.1.0"
    assert host.log == ["release 0.2.0 failed"]
    assert host.called("systemctl restart billing_stage.service") == 2
    assert not host.is_busy


def test_a_release_that_is_slow_to_start_is_waited_for(host: StubHost) -> None:
    host.stub("curl", '[ "$(grep -c ^curl "$HOST/calls")" -gt 4 ] && printf 200 || printf 502\n')
    assert "release 0.2.0: done" in host.run("release", "0.2.0")
    assert host.called("sleep 0.3") > 2


# By what the page answers, and settings of group data: words of the reason.
REFUSALS: dict[str, tuple[str, dict[str, object], str]] = {
    "force_ssl without TLS": (
        "301 https://stage.example.com/health",
        {},
        'the application redirects to https (force_ssl), and tls = "none" here: set tls in group data, or leave force_ssl '
        "out of the application's settings",
    ),
    "force_ssl that does not know of TLS": (
        "301 https://stage.example.com/health",
        {"tls": "self_signed"},
        "this is the page itself, so no browser gets it. The application does not notice that the visitor came by https: "
        "force_ssl needs rewrite_on: [:x_forwarded_proto]",
    ),
    "a loop": (
        "302 http://stage.example.com/health",
        {},
        "this is the page itself, so no browser gets it: name another page in health_path",
    ),
    "another site": (
        "302 https://example.com/health",
        {"tls": "self_signed"},
        "this is not https://stage.example.com: name a page in health_path that stays on the site",
    ),
    "another site by http": (
        "302 http://example.com/",
        {},
        "this is not http://stage.example.com: name a page in health_path that stays on the site",
    ),
    "a login by basic auth": ("401", {}, "name a page in health_path that needs no login"),
    "no such page": ("404", {}, "name a page in health_path that the application has"),
}


@pytest.mark.parametrize("wrong", REFUSALS)
def test_a_refusal_that_does_not_change_ends_the_wait(stub_host: Callable[..., StubHost], wrong: str) -> None:
    answer, settings, words = REFUSALS[wrong]
    host = stub_host(**settings | {"health_timeout": 3600})
    host.set("refusal_time", 0)
    host.set("refusal_count", 3)
    host.stub("curl", f"printf '%s' '{answer}'\n")
    last = host.run("release", "0.2.0").splitlines()[-1]
    status, _, leads_to = answer.partition(" ")
    leading = f" and leads to {leads_to}" * bool(leads_to)
    assert last.startswith(
        f"release 0.2.0: FAILED: /health answered {status} through nginx{leading}, the same 3 times in "
    )
    assert f"seconds: {words}" in last
    assert host.log == ["release 0.2.0 failed"]


@pytest.mark.parametrize("answer", ["502", "503", "504", "500", "429", "000"])
def test_an_answer_that_may_pass_is_waited_for(host: StubHost, answer: str) -> None:
    host.set("refusal_time", 0)
    host.set("refusal_count", 3)
    host.stub("curl", f'[ "$(grep -c ^curl "$HOST/calls")" -gt 8 ] && printf 200 || printf {answer}\n')
    assert "release 0.2.0: done" in host.run("release", "0.2.0")


def test_a_refusal_that_changes_is_waited_for(host: StubHost) -> None:
    """A page that answers 404 and 401 in turn is none that the application decided on."""
    host.set("refusal_time", 0)
    host.stub(
        "curl",
        'asked=$(grep -c ^curl "$HOST/calls")\n[ "$asked" -le 30 ] || { printf 200; exit; }\n'
        "[ $((asked / 5 % 2)) = 0 ] && printf 404 || printf 401\n",
    )
    assert "release 0.2.0: done" in host.run("release", "0.2.0")


def test_a_login_page_of_the_site_is_an_answer(host: StubHost) -> None:
    host.stub("curl", "printf '302 http://stage.example.com/users/log_in'\n")
    assert "release 0.2.0: done" in host.run("release", "0.2.0")


def test_a_number_that_is_used_once_makes_no_other_redirect(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(health_timeout=3600)
    host.set("refusal_time", 0)
    host.stub("curl", 'printf "302 https://login.example.org/authorize?state=$$"\n')
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert "leads to https://login.example.org/authorize?state=" in last
    assert "the same 10 times in" in last


def test_the_site_is_asked_on_the_host_itself_by_its_name(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(tls="self_signed", health_path="/api/health")
    host.run("release", "0.2.0")
    asked = next(call for call in host.calls if call.startswith("curl"))
    assert "--resolve stage.example.com:443:127.0.0.1" in asked
    assert asked.endswith("https://stage.example.com/api/health")


@pytest.mark.parametrize("wrong", BAD)
def test_without_a_release_before_a_bad_one_is_stopped(stub_host: Callable[..., StubHost], wrong: str) -> None:
    host = bad(stub_host(), wrong)
    host.link(None)
    words = host.run("release", "0.2.0")
    assert "There was no release before: stopping" in words
    assert f"release 0.2.0: FAILED: {BAD[wrong][1]}" in words.splitlines()[-1]
    assert host.current is None
    assert "systemctl stop billing_stage.service" in host.calls
    assert host.log == ["release 0.2.0 failed"]


def test_both_releases_are_bad(host: StubHost) -> None:
    host.stub("node", "exit 1\n")
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert "0.1.0, which ran before, is not well either: the site answers, and the node does not" in last
    assert host.current == "0.1.0"
    assert host.log == ["release 0.2.0 failed"]


def test_a_restart(host: StubHost) -> None:
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    assert host.log == ["restart 0.1.0 good"]


def test_a_restart_that_fails_has_nothing_to_go_back_to(host: StubHost) -> None:
    host.stub("node", "exit 1\n")
    assert "FAILED: the site answers, and the node does not" in host.run("restart").splitlines()[-1]
    assert host.current == "0.1.0"
    assert host.log == ["restart 0.1.0 failed"]
    assert host.called("systemctl restart billing_stage.service") == 1


def test_a_restart_that_systemd_refuses(host: StubHost) -> None:
    """The process from before answers as well as ever."""
    stub = (host.bin / "systemctl").read_text().partition('calls"\n')[2]
    host.stub("systemctl", f'case "$1" in restart) echo Unit is masked. >&2; exit 1 ;; esac\n{stub}')
    words = host.run("restart")
    assert "Unit is masked." in words
    assert (
        words.splitlines()[-1]
        == "restart 0.1.0: FAILED: systemd did not restart billing_stage.service, for the reason above"
    )
    assert (host.current, host.log) == ("0.1.0", ["restart 0.1.0 ended"])


def test_a_restart_before_the_first_release(host: StubHost) -> None:
    host.link(None)
    assert "there is no release yet: make release ENV=stage" in host.run("restart")
    assert host.log == []
    assert host.called("restart") == 0


@pytest.mark.parametrize("before", ["0.1.0", None])
def test_a_release_that_does_not_stop_is_killed(host: StubHost, before: str | None) -> None:
    host.link(before)
    stub = (host.bin / "systemctl").read_text().partition('calls"\n')[2]
    host.stub("systemctl", f'case "$*" in "stop billing_stage.service") exit 1 ;; esac\n{stub}')
    host.stub("node", "exit 1\n")
    host.run("release", "0.2.0")
    places = host.order("stop billing_stage.service", "kill --signal SIGKILL billing_stage.service")
    assert places == sorted(places)
    assert host.current == before


def test_a_link_to_no_version_counts_as_none(host: StubHost) -> None:
    """The application user can change the link."""
    host.link("$(id)")
    host.stub("node", "exit 1\n")
    assert "There was no release before: stopping" in host.run("release", "0.2.0")
    assert host.current is None


@pytest.mark.parametrize("before", ["0.1.0", ""])
def test_the_plan_still_holds(host: StubHost, before: str) -> None:
    assert "release 0.2.0: done" in host.run("release", "0.2.0", BEFORE=before)


@pytest.mark.parametrize(
    "action",
    [["release", "0.2.0"], ["rollback", "0.2.0"], ["restart"], ["migrate"], ["migrate-down", "20260101000000"]],
)
@pytest.mark.parametrize(
    ("runs", "before", "words"),
    [
        ("0.1.0", "0.0.9", "0.1.0 runs now, and 0.0.9 ran when the plan was made: make the plan again"),
        ("0.1.0", "-", "0.1.0 runs now, and no release ran when the plan was made"),
        (None, "0.1.0", "no release runs now, and 0.1.0 ran when the plan was made"),
    ],
)
def test_another_release_runs_than_the_plan_says(
    host: StubHost, action: list[str], runs: str | None, before: str, words: str
) -> None:
    host.link(runs)
    said = host.run(*action, BEFORE=before)
    assert words in said
    assert not said.splitlines()[-1].endswith(": done")
    assert (host.current, host.log, host.is_busy, host.calls) == (runs, [], False, [])


@pytest.mark.parametrize("arguments", [[], ["reboot"]])
def test_misuse_is_told(host: StubHost, arguments: list[str]) -> None:
    assert host.run(*arguments).startswith("usage: switch release VERSION")
    assert host.log == []


def test_a_console_needs_a_terminal(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host()
    assert "a console needs a terminal" in host.run("console")
    assert host.called("systemd-run --") == 0
    assert host.log == []


def test_the_node_is_asked_in_the_sandbox_of_the_unit(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host()
    host.run("release", "0.2.0")
    asked = [call for call in host.calls if call.startswith("systemd-run ") and " rpc " in call]
    assert len(asked) == 1
    assert {"--property=User=billing", "--property=MemoryMax=1M", "--property=RuntimeMaxSec=30"} < set(asked[0].split())
    assert f"{host.root}/releases/0.2.0/bin/billing rpc" in asked[0]
