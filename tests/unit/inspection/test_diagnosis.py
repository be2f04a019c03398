"""The meaning of symptoms that are slow to provoke on a host: the other release tool, and a healthy host."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.diagnosis import findings
from inspection.end import End
from inspection.symptoms import Symptoms
from operations.certificate import Pair
from operations.release.obstacles import read
from tests.unit import certificates
from tests.unit.conftest import PROD

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SECRETS = Secrets.model_validate(
    {"database_password": "p" * 20, "secret_key_base": "k" * 64, "cookie": "a-cookie-of-20-letters"}
)
COOKIE = md5(b"a-cookie-of-20-letters", usedforsecurity=False).hexdigest().upper()

WELL = Symptoms(
    obstacles=[],
    state="active",
    listens=["127.0.0.1:4001", "127.0.0.1:39001"],
    registered={"billing_stage": 39001, "billing_prod": 39002},
    hangs=False,
    node={"node": "billing_stage@127.0.0.1", "cookie": COOKIE, "server": "true", "appsignal": ""},
    told_appsignal="/home/billing/stage/appsignal",
    appsignal_writable=True,
    secret_newer_than_start=False,
    secret_newer_than_build=False,
    login="",
    certificate=None,
    hsts={},
    site_hsts=[],
    skew=0.2,
    disks={"/": (40, 3)},
    reboot=None,
    closed=frozenset({4001, 4000, 4369}),
    owned=True,
    full_in={},
    end=None,
)


@pytest.fixture
def stage(environment: Callable[..., Environment]) -> Environment:
    return environment(tls="none", appsignal=True)


def what(environment: Environment, **changes: object) -> list[str]:
    """What is found once the symptoms are so."""
    return [finding.what for finding in findings(environment, SECRETS, WELL._replace(**changes), NOW)]  # type: ignore[arg-type]


def test_well(stage: Environment) -> None:
    assert what(stage) == []


@pytest.mark.parametrize(
    ("repository", "command"),
    [("/srv/billing.git", "make update ENV=stage"), (None, "make release ENV=stage TARBALL=...")],
)
def test_before_the_first_release(
    environment: Callable[..., Environment], repository: str | None, command: str
) -> None:
    stage = environment(tls="none", repository=repository)
    [found] = findings(stage, SECRETS, WELL._replace(state="inactive", released=False), NOW)
    assert found.what == "there is no release yet, and billing_stage.service is inactive"
    assert found.mend == f"{command} brings the first release"


def test_a_release_that_was_stopped(stage: Environment) -> None:
    [found] = findings(stage, SECRETS, WELL._replace(state="inactive"), NOW)
    assert found.mend.endswith("make restart ENV=stage")


def test_distillery_has_the_secrets_built_in(environment: Callable[..., Environment]) -> None:
    distillery = environment(tls="none", release_tool="distillery")
    assert what(distillery, secret_newer_than_start=True) == []
    [found] = findings(distillery, SECRETS, WELL._replace(secret_newer_than_build=True), NOW)
    assert "which has it built in" in found.what
    assert "a restart does not change that" in found.why
    assert found.mend == "make update ENV=stage builds a new one"


def test_mix_reads_them_at_start(stage: Environment) -> None:
    assert what(stage, secret_newer_than_build=True) == []
    [found] = findings(stage, SECRETS, WELL._replace(secret_newer_than_start=True), NOW)
    assert found.mend == "make restart ENV=stage"


@pytest.mark.parametrize(
    ("listens", "server", "found"),
    [
        (["127.0.0.1:39001"], "nil", "server: true is missing for BillingWeb.Endpoint: it is nil"),
        (
            ["127.0.0.1:39001"],
            "true",
            "the application runs and listens on no port, where nginx expects 127.0.0.1:4001",
        ),
        (["127.0.0.1:4000"], "true", "the application listens on 127.0.0.1:4000, not on 127.0.0.1:4001"),
        (["[::]:4001"], "true", "the application listens on [::]:4001, not on 127.0.0.1:4001"),
    ],
)
def test_ports(stage: Environment, listens: list[str], server: str, found: str) -> None:
    assert what(stage, listens=listens, node=WELL.node | {"server": server}) == [found]


@pytest.mark.parametrize("listens", [["*:4001"], ["0.0.0.0:4001"], ["127.0.0.1:4001", "[::]:4001"]])
def test_a_listener_on_all_interfaces_is_well_while_the_machine_closes_its_port(
    stage: Environment, listens: list[str]
) -> None:
    assert what(stage, listens=listens) == []
    closed = "the machine does not close 4001 to the network: nftables has no table inet deploy_ports, or another one"
    assert what(stage, listens=listens, closed=frozenset({4369})) == [
        closed,
        f"the application listens on {listens[-1]}, and the network reaches that port",
    ]


def test_a_missing_table_is_named_whether_or_not_the_application_runs(stage: Environment) -> None:
    both = "the machine does not close 4001 and 4369 to the network: nftables has no table inet deploy_ports, or another one"
    assert what(stage, closed=frozenset()) == [both]
    assert what(stage, owned=None) == []
    assert what(stage, owned=False) == [
        "the firewall does not leave port 4001 to billing_stage: nftables has no table inet "
        "deploy_owner_billing_stage, or another one"
    ]
    assert what(stage, closed=frozenset(), state="inactive") == [both, "billing_stage.service is inactive"]


@pytest.mark.parametrize("listener", ["127.0.0.1:9568", "[::1]:9568", "[::ffff:127.0.0.1]:9568"])
def test_another_port_on_loopback_is_the_applications_own_business(stage: Environment, listener: str) -> None:
    assert what(stage, listens=["127.0.0.1:4001", listener]) == []


@pytest.mark.parametrize(
    "listener", ["*:9568", "0.0.0.0:9568", "[::]:9568", "192.0.2.7:9568", "[::ffff:192.0.2.7]:9568"]
)
def test_another_port_that_the_network_reaches_is_named_unless_the_data_does(
    environment: Callable[..., Environment], listener: str
) -> None:
    listens = ["127.0.0.1:4001", listener]
    assert what(environment(), listens=listens) == [
        f"the application listens on {listener}, and the network reaches that port"
    ]
    assert what(environment(open_ports=[9568]), listens=listens) == []


def test_a_node_that_other_machines_reach(stage: Environment) -> None:
    assert what(stage, listens=["127.0.0.1:4001", "*:39001"]) == [
        "the node listens for other nodes on *:39001, not on 127.0.0.1 alone"
    ]


def test_obstacles_are_findings(stage: Environment) -> None:
    obstacles = read(stage, [["port", "127.0.0.1:4001", "node"], ["full", "/run", "space"], ["full", "/", "inodes"]])
    assert what(stage, state="failed", obstacles=obstacles, disks={"/": (40, 100)})[:3] == [
        "node listens on 127.0.0.1:4001, and it is not billing_stage.service",
        "the file system /run has no space left",
        "the file system / is full to 40 %, and 100 % of its inodes are used",
    ]


def test_a_database_that_lets_nobody_in_says_nothing_of_the_password(stage: Environment) -> None:
    said = "FATAL:  sorry, too many clients already"
    obstacles = read(stage, [["connections", "0"]])
    assert what(stage, login=said, obstacles=obstacles) == ["PostgreSQL has 0 connections left"]


def test_an_application_that_hangs(stage: Environment) -> None:
    """Its cookie and its clock are not to blame."""
    assert what(stage, hangs=True, node={}) == [
        "the application takes connections on port 4001 and does not answer them"
    ]


NIGHT = datetime(2026, 11, 25, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("end", "found"),
    [
        (
            End(1, "oom-kill", NIGHT),
            "once unasked; the last time, at 2026-11-25 03:12 UTC it was killed for lack of memory (oom-kill)",
        ),
        (End(3, "new-word", NIGHT), "3 times unasked; the last time, at 2026-11-25 03:12 UTC systemd says new-word"),
        (End(2, "unknown", None), "2 times unasked; the last time, the journal does not say why"),
    ],
)
def test_restarts_that_nobody_asked_for(stage: Environment, end: End, found: str) -> None:
    assert what(stage, end=end) == [f"systemd has restarted billing_stage.service {found}"]


@pytest.mark.parametrize("reason", ["oom-kill", "SIGKILL"])
def test_a_memory_kill_names_the_limit(stage: Environment, reason: str) -> None:
    [found] = findings(stage, SECRETS, WELL._replace(end=End(1, reason, NIGHT)), NOW)
    assert found.mend.startswith(f"memory_limit = {stage.memory_limit} MiB is all that it may use")


def test_the_reason_of_a_failed_unit(stage: Environment) -> None:
    assert what(stage, state="failed", end=End(0, "oom-kill", NIGHT)) == [
        "billing_stage.service is failed: at 2026-11-25 03:12 UTC it was killed for lack of memory (oom-kill)"
    ]


PROVIDED = {"tls": "provided", "tls_certificate": "/etc/ssl/a.pem", "tls_key": "/etc/ssl/a.key"}


@pytest.mark.parametrize(
    ("settings", "sent", "found"),
    [
        ({}, ["max-age=31536000"], "max-age=31536000, not none"),
        (PROVIDED | {"hsts": True, "hsts_max_age": 0}, ["max-age=0"], None),
        (
            PROVIDED | {"hsts": True, "hsts_max_age": 0},
            ["max-age=31536000", "max-age=0"],
            "max-age=31536000 and max-age=0, not max-age=0",
        ),
        (PROVIDED | {"hsts": True}, [], "none, not max-age=31536000"),
        (PROVIDED | {"hsts": True}, None, None),
    ],
)
def test_the_hsts_that_a_site_sends(
    environment: Callable[..., Environment], settings: dict[str, object], sent: list[str] | None, found: str | None
) -> None:
    seen = what(environment(**settings), site_hsts=sent)
    assert seen == (
        [f"nginx sends another Strict-Transport-Security than the group data says: {found}"] if found else []
    )


def test_one_cookie_for_both_or_an_old_one(stage: Environment) -> None:
    assert what(stage, node=WELL.node | {"cookie": "0"}) == ["the cookie in use is not the vault's"]


@pytest.mark.parametrize(
    ("told", "configured", "found"),
    [
        (None, "", "AppSignal works in /tmp/appsignal, not in /home/billing/stage/appsignal"),
        (None, "/home/billing", "AppSignal works in /home/billing, not in /home/billing/stage/appsignal"),
        ("/home/billing/prod/appsignal", "", "AppSignal works in /home/billing/prod/appsignal, not in"),
    ],
)
def test_appsignals_directory(stage: Environment, told: str | None, configured: str, found: str) -> None:
    [said] = what(stage, told_appsignal=told, node=WELL.node | {"appsignal": configured})
    assert said.startswith(found)


@pytest.mark.parametrize(
    ("names", "days", "found"),
    [
        (("example.com",), (-1, 89), []),
        (("example.com",), (-70, 20), ["expires on 2026-12-15 00:00 UTC, with 22 % of its lifetime left: it was not"]),
        (("example.net",), (-90, -3), ["is not for example.com: it is for example.net", "has expired, on 2026-11-22"]),
    ],
)
def test_a_certificate(
    environment: Callable[..., Environment], names: tuple[str, ...], days: tuple[int, int], found: list[str]
) -> None:
    prod = environment(PROD, tls="provided", tls_certificate="/etc/ssl/prod.pem", tls_key="/etc/ssl/prod.key")
    pair = certificates.pair(*names, begins=NOW + timedelta(days=days[0]), ends=NOW + timedelta(days=days[1]))
    node = {"registered": {"billing_prod": 1}, "node": WELL.node | {"node": "billing_prod@127.0.0.1"}}
    said = what(prod, certificate=pair, listens=["127.0.0.1:4000"], **node)
    assert len(said) == len(found)
    for line, beginning in zip(said, found, strict=True):
        assert line.startswith(f"the certificate /etc/ssl/prod.pem {beginning}")


def test_a_certificate_without_a_file(environment: Callable[..., Environment]) -> None:
    assert what(environment(tls="self_signed"), certificate=Pair("")) == [
        "the certificate /etc/ssl/private/billing_stage.pem cannot be read"
    ]


@pytest.mark.parametrize(
    ("domain", "header", "heeded"),
    [
        ("example.com", "max-age=31536000; includeSubDomains", True),
        ("example.com", "max-age=31536000", False),
        ("stage.example.com", "max-age=300", True),
        ("example.com", "max-age=0; includeSubDomains", False),
    ],
)
def test_hsts(stage: Environment, domain: str, header: str, heeded: bool) -> None:
    said = what(stage, hsts={domain: header})
    assert said == ([f"{domain} sends Strict-Transport-Security: {header}"] if heeded else [])


@pytest.mark.parametrize(
    ("skew", "said"),
    [
        (4.9, []), (-4.9, []),
        (6.0, ["the host's clock is at least 6 seconds ahead of this computer's"]),
        # What is known is the least: never more than that.
        (-6.9, ["the host's clock is at least 6 seconds behind this computer's"]),
    ],
)  # fmt: skip
def test_the_clock(stage: Environment, skew: float, said: list[str]) -> None:
    assert what(stage, skew=skew) == said


@pytest.mark.parametrize(("used", "wrong"), [((89, 1), False), ((90, 1), True), ((1, 95), True)])
def test_the_disk(stage: Environment, used: tuple[int, int], wrong: bool) -> None:
    assert bool(what(stage, disks={"/": used})) == wrong


def test_a_database_of_somebody_else(environment: Callable[..., Environment]) -> None:
    elsewhere = environment(tls="none", database_managed=False, database_host="db.example.com")
    [found] = findings(elsewhere, SECRETS, WELL._replace(login="FATAL: no"), NOW)
    assert found.mend == "ask whoever manages db.example.com:5432, make vault-edit ENV=stage"
    assert what(elsewhere, login=None) == []


@pytest.mark.parametrize("state", ["active", "failed"])
def test_what_a_power_cut_left(stage: Environment, state: str) -> None:
    seen = WELL._replace(state=state, cut_off="release 0.2.0", damaged="0.1.0")
    cut_off, damaged, *_ = findings(stage, SECRETS, seen, NOW)
    assert "in the middle of an action (release 0.2.0), and nobody has ended that" in cut_off.what
    assert cut_off.mend == "make restart ENV=stage"
    assert "the files of 0.1.0, which runs, are not those of its tarball" in damaged.what
    assert damaged.mend == "make release ENV=stage VERSION=0.1.0"


def test_a_disk_that_will_be_full_is_named_unless_it_is_full(environment: Callable[..., Environment]) -> None:
    stage = environment()
    assert what(stage, full_in={"/": 3}) == ["the file system / will be full in 3 days, as it grew in the last week"]
    full = what(stage, full_in={"/": 0}, disks={"/": (95, 1)})
    assert full == ["the file system / is full to 95 %, and 1 % of its inodes are used"]


def test_a_login_that_pg_hba_keeps_out_is_no_matter_of_apply(stage: Environment) -> None:
    refused = 'FATAL:  pg_hba.conf rejects connection for host "127.0.0.1"'
    [found] = findings(stage, SECRETS, WELL._replace(login=refused), NOW)
    assert "put the line `host billing_stage billing_stage 127.0.0.1/32 scram-sha-256` before all others" in found.mend
    [wrong] = findings(stage, SECRETS, WELL._replace(login="FATAL:  password authentication failed"), NOW)
    assert wrong.mend == "make apply ENV=stage"
    assert not list(findings(stage, SECRETS, WELL._replace(login="Is it accepting TCP/IP connections?"), NOW))


def test_without_ss_nothing_is_said_of_ports(stage: Environment) -> None:
    obstacles = read(stage, [["program", "ss", "iproute2"]])
    assert what(stage, obstacles=obstacles, listens=[]) == [
        "the host has no program ss, which the package iproute2 brings"
    ]
