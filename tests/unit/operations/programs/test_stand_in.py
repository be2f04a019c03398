"""switch.sh with a stand-in: who serves at each step, and what becomes of it."""

import os
import subprocess
from collections.abc import Callable
from itertools import cycle, product

import pytest

from group_data.schema.environment import Environment
from operations.host.rendering import render
from tests.unit.operations.programs.interruption import interrupt_there, stand_still
from tests.unit.operations.programs.stubs import SETTINGS, StubHost
from tests.unit.sample import sample

# The unit runs, and the stand-in from its start to its stop. Each has a process and a control group.
SYSTEMCTL = """\
standin() { [ -e "$HOST/standin" ]; }
case "$*" in
    *MainPID*standin*) standin && echo 9 || echo 0 ;;
    *MainPID*) [ -s "$HOST/pid" ] && read -r pid < "$HOST/pid"; echo "${pid:-7}" ;;
    *ControlGroup*standin*) ! standin || echo /system.slice/billing_stage-standin.service ;;
    *ControlGroup*) echo /system.slice/billing_stage.service ;;
    *ActiveState*standin*) standin && echo active || echo inactive ;;
    *ActiveState*billing_stage.service) read -r state < "$HOST/state_of_unit"; echo "$state" ;;
    "stop billing_stage-standin.service") rm -f "$HOST/standin" ;;
    "restart billing_stage.service") readlink "$HOST/root/billing" >> "$HOST/restarted" ;;
esac
"""
# nginx is told apart from the application by its port.
CURL = """\
case "$*" in
    *127.0.0.1:20703/*) cat "$HOST/standin_answers" ;;
    *127.0.0.1:4001/*) cat "$HOST/unit_answers" ;;
    *) cat "$HOST/nginx_answers" ;;
esac
"""
SS = """\
case "$*" in
    *established*) [ ! -s "$HOST/requests" ] || { head -n 1 "$HOST/requests"; sed -i 1d "$HOST/requests"; } ;;
    *) cat "$HOST/sockets" ;;
esac
"""

# Of the tables that it is given, the last one is in force.
NFT = """\
case "$*" in
    "--file -") cat > "$HOST/table" ;;
    *"{ "*) grep -qxF "$6" "$HOST/closed" ;;
    *) cat "$HOST/chain" ;;
esac
"""
# A release without migrations.
LISTS = 'case "$*" in *LIST*) echo migrations: ;; esac\n'

Make = Callable[..., StubHost]

STARTS = "systemd-run --quiet --collect --unit=billing_stage-standin.service"
STOPS = "systemctl stop billing_stage-standin.service"
RESTARTS = "systemctl restart billing_stage.service"


@pytest.fixture
def serving(stub_host: Make) -> StubHost:
    """A host whose environment has a stand-in, and on which all is well."""
    return with_standin(stub_host)


def with_standin(stub_host: Make, **settings: object) -> StubHost:
    """The same, with these settings."""
    host = stub_host(release_strategy="stand_in", **settings)
    host.stub("systemctl", SYSTEMCTL)
    host.stub("curl", CURL)
    host.stub("ss", SS)
    host.stub("nft", NFT)
    host.stub("choom", "")
    release = (host.bin / "systemd-run").read_text()
    body = release[release.index("case") :]
    host.stub("systemd-run", f'case "$*" in *--unit=billing_stage-standin*) : > "$HOST/standin"; exit ;; esac\n{body}')
    for name in ("standin_answers", "unit_answers", "nginx_answers"):
        answer(host, name, "200")
    (host.path / "state_of_unit").write_text("active\n")
    line = "LISTEN 0 128 127.0.0.1:{port} *:* ino:1 sk:1 cgroup:/system.slice/{unit}\n"
    sockets = [(4001, "billing_stage.service"), (20703, "billing_stage-standin.service")]
    (host.path / "sockets").write_text("".join(line.format(port=port, unit=unit) for port, unit in sockets))
    return host


def answer(host: StubHost, name: str, status: str) -> None:
    """What one of standin_answers, unit_answers and nginx_answers is."""
    (host.path / name).write_text(status)


def is_turned_away(host: StubHost) -> bool:
    """Whether the kernel refuses nginx's connections to the unit."""
    return "reject with tcp reset" in (host.path / "table").read_text()


def restarted_with(host: StubHost) -> list[str]:
    """The version that was linked at each restart of the unit."""
    path = host.path / "restarted"
    return [line.removeprefix("releases/") for line in path.read_text().splitlines()] if path.exists() else []


def test_a_release_goes_to_the_unit_while_the_stand_in_serves(serving: StubHost) -> None:
    words = serving.run("release", "0.2.0", REVISION="6bfed7e")
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert (serving.current, serving.log, serving.is_busy) == ("0.2.0", ["release 0.2.0 good"], False)
    calls = [call for call in serving.calls if not call.startswith(("date", "cat", "awk", "sed"))]
    started = next(place for place, call in enumerate(calls) if call.startswith(STARTS))
    asked = next(place for place, call in enumerate(calls) if "127.0.0.1:20703/health" in call)
    turned = next(place for place, call in enumerate(calls) if call.startswith("nft --file") and place > asked)
    restarted = calls.index(RESTARTS)
    well = next(place for place, call in enumerate(calls) if "127.0.0.1:4001/health" in call)
    let_in = next(place for place, call in enumerate(calls) if call.startswith("nft --file") and place > well)
    stopped = calls.index(STOPS)
    assert [started, asked, turned, restarted, well, let_in, stopped] == sorted(
        [started, asked, turned, restarted, well, let_in, stopped]
    )
    assert restarted_with(serving) == ["0.2.0"]


def test_the_stand_in_runs_the_new_release_in_the_sandbox_with_names_of_its_own(serving: StubHost) -> None:
    serving.run("release", "0.2.0", REVISION="6bfed7e")
    [call] = [call.split() for call in serving.calls if call.startswith(STARTS)]
    assert {
        "--slice=system-billing_stage.slice",
        "--property=User=billing",
        "--property=MemoryMax=1M",
        "--property=KillMode=mixed",
        "--property=TimeoutStopSec=30",
        "PORT=20703",
        "RELEASE_NODE=billing_stage-standin@127.0.0.1",
        "RELEASE_TMP=/dev/shm/release",
        "APP_REVISION=6bfed7e",
        f"{serving.root}/releases/0.2.0/bin/billing",
    } < set(call)
    assert not [word for word in call if word.startswith(("ERL_AFLAGS", "APPSIGNAL"))]
    assert call[-1] == "start"


def test_a_stand_in_without_a_known_revision_has_none(serving: StubHost) -> None:
    """Not that of the release which runs."""
    serving.run("release", "0.2.0")
    [call] = [call for call in serving.calls if call.startswith(STARTS)]
    assert " -- /usr/bin/env -u APP_REVISION -u RELEASE_REVISION " in call
    assert "APP_REVISION=" not in call


def test_a_stand_in_of_distillery_has_a_name_of_its_own(stub_host: Make) -> None:
    host = with_standin(stub_host, release_tool="distillery", appsignal=True)
    host.stub("node", "echo 0.1.0\n")
    assert host.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    [call] = [call for call in host.calls if call.startswith(STARTS)]
    # The VM, and who asks it.
    asked = [call for call in host.calls if call.startswith("node ") and "-standin@" in call]
    assert len(asked) == 1
    for each in (call, *asked):
        assert "/releases/*/vm.args > /dev/shm/vm.args" in each
        assert "VMARGS_PATH=/dev/shm/vm.args" in each
    assert "APPSIGNAL_WORKING_DIRECTORY_PATH=/dev/shm" in call
    assert call.endswith(" foreground")


@pytest.mark.parametrize(("action", "version"), [(["rollback", "0.2.0"], "0.2.0"), (["restart"], "0.1.0")])
def test_other_actions_have_one_too(serving: StubHost, action: list[str], version: str) -> None:
    assert serving.run(*action).splitlines()[-1] == f"{action[0]} {version}: done"
    assert serving.called(STARTS) == 1
    assert restarted_with(serving) == [version]


@pytest.mark.parametrize("state", ["inactive", "failed", "activating"])
def test_nobody_stands_in_for_an_application_that_does_not_serve(serving: StubHost, state: str) -> None:
    (serving.path / "state_of_unit").write_text(f"{state}\n")
    assert serving.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert (serving.called(STARTS), restarted_with(serving)) == (0, ["0.2.0"])


def test_nobody_stands_in_where_nobody_listens(serving: StubHost) -> None:
    """After a change of `port` nginx asks where the application is not yet."""
    serving.stub("ss", 'case "$*" in *"sport = :4001"*) ;; *) cat "$HOST/sockets" ;; esac\n')
    assert serving.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    assert (serving.called(STARTS), restarted_with(serving)) == (0, ["0.1.0"])


def test_a_node_that_says_more_than_its_version_is_heard_to_the_end(serving: StubHost) -> None:
    """Distillery prints a result behind it. A VM of Debian 13 fails if nobody reads that."""
    serving.stub("node", "echo 0.2.0; sleep 0.2; echo ok\n")
    assert serving.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"


@pytest.mark.parametrize("former", [4111, None], ids=["the port of before", "a port it took"])
def test_after_a_change_of_its_port_the_unit_is_left_at_both(serving: StubHost, former: int | None) -> None:
    """It serves at the port of before, where nginx finds it, until it has restarted. Root's table has it."""
    rules = render(
        "port-owner.nft.j2", environment=Environment.model_validate(SETTINGS), nginx_user="www-data", former=former
    )
    (serving.path / "billing_stage.nft").write_text(rules)
    process = subprocess.Popen(["sleep", "60"], env={"PORT": "4111", "PATH": os.environ["PATH"]})
    try:
        (serving.path / "pid").write_text(f"{process.pid}\n")
        serving.stub(
            "systemctl",
            'case "$*" in *"MainPID --property ControlGroup"*) read -r pid < "$HOST/pid"; printf "MainPID=%s\\nControlGroup='
            '/system.slice/billing_stage.service\\n" "$pid"; exit ;; esac\n' + SYSTEMCTL,
        )
        serving.stub(
            "ss",
            'case "$*" in *"sport = :4111"*) [ -e "$HOST/restarted" ] || echo LISTEN 0 1 127.0.0.1:4111 x '
            "cgroup:/system.slice/billing_stage.service; exit ;; *'sport = :4001'*) exit ;; esac\n" + SS,
        )
        serving.stub("nft", 'case "$*" in "--file -") tee -a "$HOST/tables" > "$HOST/table"; exit ;; esac\n' + NFT)
        assert serving.run("restart").splitlines()[-1] == "restart 0.1.0: done"
    finally:
        process.kill()
        process.wait()
    if not former:
        assert not (serving.path / "tables").exists() or "4111" not in (serving.path / "tables").read_text()
        return
    assert "tcp dport { 4001, 4111 } tcp flags" in (serving.path / "tables").read_text()
    drained = [call for call in serving.calls if call.startswith("ss ") and "established" in call]
    assert "dst 127.0.0.1:4111 " in drained[0]
    assert restarted_with(serving) == ["0.1.0"]
    assert not is_turned_away(serving)


# By what is wrong: answer of the stand-in's page, further stubs, and words of the reason.
BAD: dict[str, tuple[str, dict[str, str], str]] = {
    "does not start": (
        "",
        {"systemd-run": 'case "$*" in *--unit=billing_stage-standin*) exit 1 ;; esac\n' + LISTS},
        "the stand-in could not be started, for the reason above",
    ),
    "ends": (
        "",
        {"systemctl": 'case "$*" in *MainPID*standin*) echo 0; exit ;; esac\n' + SYSTEMCTL},
        "billing_stage-standin.service ended by itself. No visitor met it",
    ),
    "health answers 500": ("500", {}, "/health answered 500 at port 20703, still after 0 seconds. No visitor met it"),
    "health does not answer": (
        "",
        {},
        "/health answered nothing at port 20703, still after 0 seconds. No visitor met it",
    ),
    "another version": ("200", {"node": "echo 0.9.9\n"}, "version 0.9.9 runs, not 0.2.0"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_bad_release_costs_nobody_anything(serving: StubHost, wrong: str) -> None:
    status, stubs, reason = BAD[wrong]
    serving.set("health_timeout", 0)
    answer(serving, "standin_answers", status)
    for name, body in stubs.items():
        serving.stub(name, body)
    words = serving.run("release", "0.2.0")
    assert f"release 0.2.0: FAILED: {reason}" in words.splitlines()[-1]
    assert (serving.current, restarted_with(serving), serving.is_busy) == ("0.1.0", [], False)
    assert not (serving.path / "standin").exists()
    assert not is_turned_away(serving)


def test_an_application_with_a_port_of_its_own_is_told_so(serving: StubHost) -> None:
    serving.set("health_timeout", 0)
    answer(serving, "standin_answers", "")
    (serving.path / "sockets").write_text(
        "LISTEN 0 128 127.0.0.1:4555 *:* ino:1 sk:1 cgroup:/system.slice/billing_stage-standin.service\n"
    )
    words = serving.run("release", "0.2.0")
    assert (
        "It does not listen at the port in its variable PORT, which a stand-in must do, but on 127.0.0.1:4555" in words
    )
    assert 'set release_strategy = "restart"' in words


def test_a_stand_in_that_the_network_reaches_ends_a_release(serving: StubHost) -> None:
    sockets = serving.path / "sockets"
    sockets.write_text(
        sockets.read_text()
        + "LISTEN 0 128 0.0.0.0:9999 *:* ino:1 sk:1 cgroup:/system.slice/billing_stage-standin.service\n"
    )
    serving.close(4001, 20703)
    assert "the network reaches the application past nginx" in serving.run("release", "0.2.0").splitlines()[-1]
    assert (serving.current, restarted_with(serving), serving.log) == ("0.1.0", [], ["release 0.2.0 failed"])


def test_an_nginx_that_does_not_know_the_stand_in_says_nothing_of_the_version(serving: StubHost) -> None:
    answer(serving, "nginx_answers", "502")
    words = serving.run("release", "0.2.0").splitlines()[-1]
    assert "/health answered 502 through nginx while the stand-in serves: make apply ENV=stage" in words
    assert (serving.current, restarted_with(serving), serving.log) == ("0.1.0", [], ["release 0.2.0 ended"])


def test_a_unit_that_is_not_well_goes_back_while_the_stand_in_serves(serving: StubHost) -> None:
    serving.set("health_timeout", 0)
    # Until the unit runs 0.1.0 again.
    serving.stub(
        "curl",
        'case "$*" in *:4001/*) [ "$(tail -n 1 "$HOST/restarted")" = releases/0.1.0 ] || { printf 500; exit; } ;; esac\n'
        + CURL,
    )
    words = serving.run("release", "0.2.0")
    assert "FAILED: /health answered 500 at port 4001, still after 0 seconds" in words.splitlines()[-1]
    assert "0.1.0 runs and answers again." in words
    assert (serving.current, restarted_with(serving)) == ("0.1.0", ["0.2.0", "0.1.0"])
    assert serving.order(RESTARTS, STOPS) == sorted(serving.order(RESTARTS, STOPS))
    assert not (serving.path / "standin").exists()


def test_nginx_asks_the_unit_again_when_the_stand_in_ends_before_it(serving: StubHost) -> None:
    """A version that crashes after it has proved itself."""
    (serving.path / "requests").write_text("one\ntwo\nthree\n")
    serving.stub("ss", SS.replace("*established*)", '*established*) rm -f "$HOST/standin";'))
    words = serving.run("release", "0.2.0")
    reason = "billing_stage-standin.service ended by itself when nginx passed requests to it"
    assert f"release 0.2.0: FAILED: {reason}" in words.splitlines()[-1]
    assert "The journal's last lines:" in words
    assert (serving.current, restarted_with(serving), serving.log) == ("0.1.0", [], ["release 0.2.0 failed"])
    assert not is_turned_away(serving)


def test_nginx_asks_the_unit_when_the_stand_in_ends_while_that_starts(serving: StubHost) -> None:
    """nginx has nobody else to ask by then."""
    first = '*:4001/*) [ -e "$HOST/asked" ] || { : > "$HOST/asked"; rm "$HOST/standin"; exit; };'
    serving.stub("curl", CURL.replace("*127.0.0.1:4001/*)", first))
    words = serving.run("release", "0.2.0")
    assert "The stand-in ended by itself: nginx passes requests to billing_stage.service again" in words
    assert words.splitlines()[-1] == "release 0.2.0: done"
    ended, let_in, well = (
        next(place for place, call in enumerate(serving.calls) if place > after and word in call)
        for after, word in [(0, RESTARTS), (serving.calls.index(RESTARTS), "nft --file"), (0, RESTARTS)]
    )
    asked = [place for place, call in enumerate(serving.calls) if "127.0.0.1:4001/health" in call]
    assert ended < asked[0] < let_in < asked[1]
    assert well == ended


def test_memory_that_runs_out_takes_the_process_that_nobody_meets(serving: StubHost) -> None:
    serving.run("release", "0.2.0")
    calls = serving.calls
    [start] = [place for place, call in enumerate(calls) if call.startswith(STARTS)]
    assert " --property=OOMScoreAdjust=500 " in calls[start]
    turned = next(place for place, call in enumerate(calls) if call.startswith("nft --file") and place > start)
    assert turned < calls.index("choom --pid 9 --adjust -500") < calls.index(RESTARTS)


# By what its journal says: words of the advice.
SAID = {
    "Failed to start Ranch listener (eaddrinuse)": "A port that it opens is taken: a stand-in must have its web port",
    "the name billing_stage@127.0.0.1 seems to be in use by another Erlang node": "must have its name from RELEASE_NODE",
    "A process of this unit has been killed by the OOM killer.": "No memory was left: memory_limit holds for",
}


def test_an_application_with_a_second_port_is_told_which_and_what_helps(serving: StubHost) -> None:
    """One for metrics, which the unit has. Those of the unit's node are no such ports."""
    serving.set("health_timeout", 0)
    answer(serving, "standin_answers", "")
    serving.stub(
        "journalctl", "echo 'Failed to start Ranch listener (eaddrinuse)'\nyes more | /usr/bin/head -n 30000\n"
    )
    line = "LISTEN 0 128 {address} *:* ino:1 sk:1 cgroup:/system.slice/billing_stage.service\n"
    addresses = ("127.0.0.1:4001", "*:9568", "127.0.0.1:20673")
    (serving.path / "sockets").write_text("".join(line.format(address=address) for address in addresses))
    words = serving.run("release", "0.2.0").splitlines()[-1]
    assert "the application listens at 9568, too, and its stand-in runs beside it" in words
    assert 'stand_in_environment = {"NAME": "…"}' in words


def test_a_second_port_that_the_stand_in_has_is_named_as_well(serving: StubHost) -> None:
    """Of a version that is the first to open it: the stand-in can, and the unit cannot."""
    serving.set("health_timeout", 0)
    answer(serving, "unit_answers", "")
    serving.stub("journalctl", "echo 'Failed to start Ranch listener (eaddrinuse)'\n")
    with (serving.path / "sockets").open("a") as sockets:
        sockets.write("LISTEN 0 128 *:9568 *:* ino:1 sk:1 cgroup:/system.slice/billing_stage-standin.service\n")
    serving.close(4001, 9568)
    words = serving.run("release", "0.2.0").splitlines()[-1]
    assert "the application listens at 9568, too, and its stand-in runs beside it" in words
    assert (serving.current, serving.log) == ("0.1.0", ["release 0.2.0 ended"])


def test_a_stand_in_has_variables_of_its_own(stub_host: Make) -> None:
    host = with_standin(stub_host, stand_in_environment={"METRICS_PORT": "9569", "A": "b 'c' $d"})
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    [call] = [call for call in host.calls if call.startswith(STARTS)]
    assert "METRICS_PORT=9569 A=b 'c' $$d " in call


def test_a_slow_start_is_not_taken_for_a_wrong_port(serving: StubHost) -> None:
    """The node listens long before the application does."""
    serving.set("health_timeout", 0)
    answer(serving, "standin_answers", "")
    (serving.path / "sockets").write_text(
        "LISTEN 0 128 127.0.0.1:20674 *:* ino:1 sk:1 cgroup:/system.slice/billing_stage-standin.service\n"
    )
    assert "variable PORT" not in serving.run("release", "0.2.0")


@pytest.mark.parametrize("said", SAID)
def test_an_application_that_cannot_run_twice_is_told_why(serving: StubHost, said: str) -> None:
    serving.set("health_timeout", 0)
    answer(serving, "standin_answers", "")
    serving.stub("journalctl", f"echo '{said}'\n")
    sockets = serving.path / "sockets"
    sockets.write_text("".join(line for line in sockets.read_text().splitlines(keepends=True) if "standin" not in line))
    words = serving.run("release", "0.2.0").splitlines()[-1]
    assert SAID[said] in words
    assert ('set release_strategy = "restart"' in words) == ("OOM" not in said)


@pytest.mark.parametrize(("action", "outcome"), [("release", "failed"), ("rollback", "ended")])
def test_nobody_else_gets_the_requests_of_the_stand_in(serving: StubHost, action: str, outcome: str) -> None:
    """Another program of the same user, or of root, answers at its port, and the stand-in listens elsewhere."""
    stranger = "LISTEN 0 128 127.0.0.1:20703 *:* ino:1 sk:1 cgroup:/user.slice/session-1.scope\n"
    own = "LISTEN 0 128 127.0.0.1:4555 *:* ino:1 sk:1 cgroup:/system.slice/billing_stage-standin.service\n"
    (serving.path / "sockets").write_text(stranger + own)
    words = serving.run(action, "0.2.0")
    assert "the site answers, and not from billing_stage-standin.service" in words.splitlines()[-1]
    assert (serving.current, serving.log) == ("0.1.0", [f"{action} 0.2.0 {outcome}"])
    assert serving.called("reject with tcp reset") == 0
    assert not (serving.path / "standin").exists()


def test_requests_in_flight_are_waited_for(serving: StubHost) -> None:
    (serving.path / "requests").write_text("one\ntwo\nthree\n")
    assert serving.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert serving.called("sleep 0.1") == 3
    asked = [place for place, call in enumerate(serving.calls) if "established" in call]
    assert len([place for place in asked if place < serving.calls.index(RESTARTS)]) == 4


def test_many_requests_in_flight_are_waited_for(serving: StubHost) -> None:
    """More than a pipe takes: a reader that has seen the first one does not end ss."""
    twice = 'echo >> "$HOST/seen"; [ "$(wc -l < "$HOST/seen")" -gt 2 ] ||'
    many = f'{twice} yes "ESTAB 0 0 127.0.0.1:40000 127.0.0.1:4001" | head -n 10000'
    serving.stub("ss", SS.replace("*established*)", f"*established*4001*) {many} ;;\n    *established*)"))
    (serving.bin / "yes").symlink_to("/usr/bin/yes")
    assert serving.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    assert serving.called("sleep 0.1") == 2


def test_requests_that_do_not_end_are_waited_for_until_the_time_is_over(stub_host: Make) -> None:
    host = with_standin(stub_host, drain_time=1)
    host.stub("ss", 'case "$*" in *established*) echo one ;; *) cat "$HOST/sockets" ;; esac\n')
    host.stub("sleep", "exec /bin/sleep 0.2\n")
    words = host.run("release", "0.2.0")
    assert "Requests to billing_stage.service still go on after 1 seconds" in words
    assert words.splitlines()[-1] == "release 0.2.0: done"


# Steps, by the stub that stands still there.
STEPS = {
    "start of the stand-in": ("systemd-run", "*--unit=billing_stage-standin*"),
    "the stand-in is asked": ("curl", "*:20703/*"),
    "its node is asked": ("node", "*"),
    "nginx is asked": ("curl", "*/health*"),
    "nginx is turned away": ("ss", "*established*"),
    "the link": ("mv", '*" billing"'),
    "the unit restarts": ("systemctl", '"restart billing_stage.service"'),
    "the unit is asked": ("curl", "*:4001/*"),
}
WAYS = {
    "killed": lambda host: host.end(SERVICE_RESULT="signal", EXIT_STATUS="KILL"),
    "at boot": lambda host: host.resume(),
    "by the next action": lambda host: host.run("restart"),
}


@pytest.mark.parametrize(("step", "way"), sample(product(STEPS, WAYS), *zip(STEPS, cycle(WAYS), strict=False)))
def test_one_that_is_cut_off_leaves_the_release_before_and_no_stand_in(serving: StubHost, step: str, way: str) -> None:
    stand_still(serving, *STEPS[step])
    interrupt_there(serving, "release", "0.2.0")
    if way == "at boot":
        (serving.path / "standin").unlink(missing_ok=True)
    words = WAYS[way](serving)
    assert "release 0.2.0: FAILED: it was ended from outside" in words
    assert (serving.current, serving.log[0], serving.is_busy) == ("0.1.0", "release 0.2.0 ended", False)
    assert not (serving.path / "standin").exists()
    assert not is_turned_away(serving)
    if way == "by the next action":
        assert words.splitlines()[-1] == "restart 0.1.0: done"


# What a release has noted when the unit is asked. The first eight come at once.
NOTES = (
    "action", "version", "before", "since", "uptime", "who", "revision", "invocation", "migrations", "away", "standin",
    "standin_started", "away", "restarted", "restarted_uptime",
)  # fmt: skip


@pytest.mark.parametrize("kept", sample(range(8, len(NOTES) + 1), 8, 10))
def test_the_release_before_runs_again_also_when_a_power_cut_took_the_last_notes(serving: StubHost, kept: int) -> None:
    stand_still(serving, *STEPS["the unit is asked"])
    interrupt_there(serving, "release", "0.2.0")
    notes = (serving.state / "switching").read_text().splitlines(keepends=True)
    assert tuple(note.partition("=")[0] for note in notes) == NOTES
    (serving.state / "switching").write_text("".join(notes[:kept]))
    (serving.path / "standin").unlink()
    (serving.path / "table").write_text("")
    assert "0.1.0 runs and answers again." in serving.resume()
    assert (serving.current, serving.log, serving.is_busy) == ("0.1.0", ["release 0.2.0 ended"], False)
    assert not is_turned_away(serving)


# Steps of the end, by the stub that stands still there.
LATER = {
    "nginx is let in": ("nft", "--file*"),
    "requests of the stand-in end": ("ss", "*established*"),
    "the stand-in ends": ("systemctl", '"stop billing_stage-standin.service"'),
    "the record": ("sync", "*"),
}


LATER_WAYS = ("at boot", "by the next action")


@pytest.mark.parametrize(
    ("step", "good", "way"),
    sample(
        product(LATER, [True, False], LATER_WAYS),
        *zip(LATER, cycle([True, True, False]), cycle(LATER_WAYS), strict=False),
    ),
)
def test_an_end_that_is_cut_off_is_done_later(serving: StubHost, step: str, good: bool, way: str) -> None:
    if not good:
        stand_still(serving, *STEPS["the unit is asked"])
        interrupt_there(serving, "release", "0.2.0")
        (serving.path / "reached").unlink()
    else:
        assert serving.start("release", "0.2.0").wait(30) == 0
    stand_still(serving, *LATER[step])
    interrupt_there(serving, "end")
    if way == "at boot":
        (serving.path / "standin").unlink(missing_ok=True)
    words = WAYS[way](serving)
    version, outcome = ("0.2.0", "good") if good else ("0.1.0", "ended")
    assert (serving.current, serving.log[0], serving.is_busy) == (version, f"release 0.2.0 {outcome}", False), words
    assert not (serving.path / "standin").exists()
    assert not is_turned_away(serving)


def test_an_end_that_was_killed_while_it_went_back_leaves_no_gap(serving: StubHost) -> None:
    """The unit is stopped, and the stand-in serves until it runs again."""
    stand_still(serving, *STEPS["the unit is asked"])
    interrupt_there(serving, "release", "0.2.0")
    (serving.path / "reached").unlink()
    serving.stub("node", '[ -e "$HOST/back" ] || exit 1\nexec "$@"\n')
    serving.stub(
        "systemctl",
        SYSTEMCTL.replace('"restart billing_stage.service")', '"restart billing_stage.service") : > "$HOST/back";'),
    )
    stand_still(serving, "systemctl", '"restart billing_stage.service"')
    interrupt_there(serving, "end")
    serving.calls_file.write_text("")
    words = serving.run("migrate")
    assert "0.1.0 runs and answers again." in words
    assert words.splitlines()[-1] == "migrate 0.1.0: done"
    calls = serving.calls
    restarted, let_in = calls.index(RESTARTS), next(i for i, call in enumerate(calls) if call.startswith("nft --file"))
    assert restarted < let_in < calls.index(STOPS)
    assert serving.current == "0.1.0"


def test_damaged_notes_leave_no_stand_in(stub_host: Make) -> None:
    """Of an environment that has another strategy by now, too."""
    host = with_standin(stub_host)
    stand_still(host, *STEPS["the unit is asked"])
    interrupt_there(host, "release", "0.2.0")
    (host.state / "switching").write_text("")
    conf = host.switch.with_name("switch.conf")
    conf.write_text(conf.read_text().replace("strategy=stand_in", "strategy=restart"))
    assert host.run("restart").splitlines()[-1] == "restart 0.2.0: done"
    assert not (host.path / "standin").exists()
    assert not is_turned_away(host)


def test_one_that_is_cut_off_after_all_is_well_stands(serving: StubHost) -> None:
    assert serving.start("release", "0.2.0").wait(30) == 0
    assert (serving.path / "standin").exists()
    assert "release 0.2.0: done" in serving.run("restart")
    assert serving.log == ["release 0.2.0 good", "restart 0.2.0 good"]
    assert not (serving.path / "standin").exists()
