"""switch.sh: a release that the network reaches past nginx, or that does not listen where nginx passes requests to."""

from collections.abc import Callable

import pytest

from group_data.schema.environment import Environment
from tests.unit.operations.programs.stubs import CONTROL_GROUP, PID, SETTINGS, StubHost

PAST_NGINX = "the network reaches the application past nginx, its TLS and its access rules, on"

# By where a release listens that is good: the ports that the kernel closes.
GOOD: dict[tuple[str, ...], tuple[int, ...]] = {
    ("127.0.0.1:4001", "127.0.0.1:37651"): (),
    ("127.0.0.1:4001", "[::1]:4001", "127.0.0.53%lo:99"): (),
    ("[::ffff:127.0.0.1]:4001",): (),
    ("*:4001", "127.0.0.1:37651"): (4000, 4001, 4369),
    ("0.0.0.0:4001",): (4001,),
    # mix phx.new without PORT; prod's port is closed as well.
    ("127.0.0.1:4001", "*:4000"): (4000, 4001),
}

# By where a bad one listens: the ports that the kernel closes, and words of the reason.
BAD: dict[tuple[str, ...], tuple[tuple[int, ...], str]] = {
    ("*:4001",): ((), f"{PAST_NGINX} *:4001: make apply closes port 4001 to the network"),
    ("0.0.0.0:4001",): ((4000, 4369), f"{PAST_NGINX} 0.0.0.0:4001: make apply closes port 4001 to the network"),
    ("127.0.0.1:4001", "[::]:9568"): (
        (4001,),
        f"{PAST_NGINX} [::]:9568: have it listen on 127.0.0.1, or name port 9568 in open_ports",
    ),
    ("*:4001", "192.0.2.1:8883"): (
        (),
        f"{PAST_NGINX} *:4001 192.0.2.1:8883: make apply closes port 4001 to the network; have it listen on 127.0.0.1, or "
        "name port 8883 in open_ports",
    ),
    ("127.0.0.1:4000",): (
        (4000, 4001),
        "the site answers, and not from billing_stage.service: nginx passes requests to 127.0.0.1:4001, and the application "
        "listens on 127.0.0.1:4000. End the other program, or have the application listen on port 4001",
    ),
    ("[::1]:4001",): ((4001,), "the application listens on [::1]:4001. End the other program"),
    (): ((), "the application listens on no port. End the other program"),
}


@pytest.mark.parametrize("addresses", GOOD)
def test_a_release_that_the_network_does_not_reach_is_good(host: StubHost, addresses: tuple[str, ...]) -> None:
    host.listen(*addresses)
    host.close(*GOOD[addresses])
    words = host.run("release", "0.2.0")
    assert words.splitlines()[-1] == "release 0.2.0: done"
    assert "ATTENTION" not in words


@pytest.mark.parametrize("addresses", BAD)
def test_a_release_that_listens_elsewhere_is_gone_back_from(host: StubHost, addresses: tuple[str, ...]) -> None:
    closed, words = BAD[addresses]
    host.listen(*addresses)
    host.close(*closed)
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert last.startswith("release 0.2.0: FAILED: ")
    assert words in last
    # A machine that does not close the port says nothing against the version.
    outcome = "ended" if len(addresses) == 1 and PAST_NGINX in words else "failed"
    assert (host.current, host.log) == ("0.1.0", [f"release 0.2.0 {outcome}"])


def test_the_release_from_before_is_not_judged_by_where_it_listens(host: StubHost) -> None:
    """It listened there before, and nothing better is left."""
    host.listen("*:4001")
    words = host.run("release", "0.2.0")
    assert "0.1.0 runs and answers again." in words
    assert "not well either" not in words


def test_a_table_with_the_port_and_without_the_rule_closes_nothing(host: StubHost) -> None:
    host.listen("*:4001")
    host.close(4001)
    (host.path / "chain").write_text("table inet deploy_ports {\n}\n")
    assert PAST_NGINX in host.run("release", "0.2.0").splitlines()[-1]


def test_a_process_that_the_application_started_counts(host: StubHost) -> None:
    host.listen("127.0.0.1:4001", group=f"{CONTROL_GROUP}/port")
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"


def test_a_kernel_that_does_not_tell_control_groups(host: StubHost) -> None:
    line = f'LISTEN 0 128 127.0.0.1:4001 0.0.0.0:* users:(("beam.smp",pid={PID},fd=20))'
    other = 'LISTEN 0 128 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=77,fd=5))'
    (host.path / "sockets").write_text(f"{line} cgroup:unreachable:1a2b\n{other} cgroup:unreachable:1a2c\n")
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"


def test_a_unit_whose_name_begins_the_same_does_not_count(host: StubHost) -> None:
    host.listen("127.0.0.1:4001", group=f"{CONTROL_GROUP}-other")
    assert "listens on no port" in host.run("release", "0.2.0").splitlines()[-1]


def test_an_open_port_is_allowed(stub_host: Callable[..., StubHost]) -> None:
    host = stub_host(open_ports=[8883, 9568])
    host.listen("127.0.0.1:4001", "*:8883", "0.0.0.0:9568")
    assert host.run("release", "0.2.0").splitlines()[-1] == "release 0.2.0: done"
    host.listen("127.0.0.1:4001", "*:883")
    assert "name port 883 in open_ports" in host.run("release", "0.2.0").splitlines()[-1]


@pytest.mark.parametrize("action", [["restart"], ["rollback", "0.1.0"]])
def test_what_ran_before_runs_again_with_a_warning(host: StubHost, action: list[str]) -> None:
    host.listen("*:4001")
    words = host.run(*action).splitlines()
    assert f"ATTENTION: {PAST_NGINX} *:4001: make apply closes port 4001 to the network" in words
    assert words[-1] == f"{action[0]} 0.1.0: done"


def test_ss_fails(host: StubHost) -> None:
    host.stub("ss", "echo no such option >&2; exit 1\n")
    words = host.run("release", "0.2.0")
    assert "no such option" in words
    assert words.splitlines()[-1].endswith(
        "FAILED: ss cannot tell where billing_stage.service listens, for the reason above"
    )


@pytest.mark.parametrize(("address", "good"), [("192.0.2.9", True), ("203.0.113.5", False)])
def test_a_release_is_not_judged_by_another_sites_answer(host: StubHost, address: str, good: bool) -> None:
    """The machine has the address 203.0.113.5, and another site answers at `address`."""
    sites = host.path / "nginx/sites-enabled"
    sites.mkdir(parents=True)
    mark = Environment.model_validate(SETTINGS).site_mark
    (sites / "billing_stage").write_text(f'return 200 "{mark}";\n')
    host.switch.write_text(host.switch.read_text().replace("/etc/nginx", f"{host.path}/nginx"))
    host.stub("ip", "echo '2: eth0    inet 203.0.113.5/24 scope global eth0'\n")
    host.stub(
        "curl",
        f"case $* in *:{address}' '*deploy-site) printf 'no\\n404' ;; *deploy-site) printf '{mark}\\n\\n200' ;; "
        "*) printf 200 ;; esac\n",
    )
    last = host.run("release", "0.2.0").splitlines()[-1]
    assert (last == "release 0.2.0: done") == good, last
    assert (
        good or "another site than stage's answers for stage.example.com at 203.0.113.5: make doctor ENV=stage" in last
    )
