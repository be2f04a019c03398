"""What symptoms mean, where a host would be slow to show it: the other release tool, and what is in order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from inspection.diagnosis import findings
from inspection.diagnosis_machine import CERTIFICATE_DAYS
from inspection.symptoms import Symptoms
from tests.unit.conftest import PROD

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SECRETS = Secrets.model_validate(
    {"database_password": "p" * 20, "secret_key_base": "k" * 64, "cookie": "a-cookie-of-20-letters"}
)
COOKIE = md5(b"a-cookie-of-20-letters", usedforsecurity=False).hexdigest().upper()

WELL = Symptoms(
    state="active",
    listens=["127.0.0.1:4001", "127.0.0.1:39001"],
    registered={"billing_stage": 39001, "billing_prod": 39002},
    node={"node": "billing_stage@127.0.0.1", "cookie": COOKIE, "server": "true", "appsignal": ""},
    told_appsignal="/home/billing/stage/appsignal",
    appsignal_writable=True,
    secret_newer_than_start=False,
    secret_newer_than_build=False,
    login="",
    certificate_ends=None,
    hsts={},
    skew=0.2,
    disks={"/": (40, 3)},
    reboot=None,
)


@pytest.fixture
def stage(environment: Callable[..., Environment]) -> Environment:
    return environment(tls="none", appsignal=True)


def what(environment: Environment, **changes: object) -> list[str]:
    """What is found once the symptoms are so."""
    return [finding.what for finding in findings(environment, SECRETS, WELL._replace(**changes), NOW)]  # type: ignore[arg-type]


def test_well(stage: Environment) -> None:
    assert what(stage) == []


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
        (["*:4001"], "true", "the application listens on *:4001, not on 127.0.0.1 alone"),
        (["127.0.0.1:4001", "[::]:4001"], "true", "the application listens on [::]:4001, not on 127.0.0.1 alone"),
    ],
)
def test_ports(stage: Environment, listens: list[str], server: str, found: str) -> None:
    assert what(stage, listens=listens, node=WELL.node | {"server": server}) == [found]


def test_another_port_beside_it_is_the_applications_own_business(stage: Environment) -> None:
    assert what(stage, listens=["127.0.0.1:4001", "127.0.0.1:9568"]) == []


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
    ("days", "found"),
    [
        (CERTIFICATE_DAYS, None),
        (CERTIFICATE_DAYS - 1, "expires in 20 days"),
        (-3, "has expired"),
        (None, "cannot be read"),
    ],
)
def test_a_certificate(environment: Callable[..., Environment], days: int | None, found: str | None) -> None:
    prod = environment(PROD, tls="provided", tls_certificate="/etc/ssl/prod.pem", tls_key="/etc/ssl/prod.key")
    ends = None if days is None else int((NOW + timedelta(days=days, hours=1)).timestamp())
    node = {"registered": {"billing_prod": 1}, "node": WELL.node | {"node": "billing_prod@127.0.0.1"}}
    said = what(prod, certificate_ends=ends, listens=["127.0.0.1:4000"], **node)
    assert said == ([f"the certificate /etc/ssl/prod.pem {found}"] if found else [])


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


@pytest.mark.parametrize(("skew", "wrong"), [(4.9, False), (-4.9, False), (6.0, True), (-6.0, True)])
def test_the_clock(stage: Environment, skew: float, wrong: bool) -> None:
    assert bool(what(stage, skew=skew)) == wrong


@pytest.mark.parametrize(("used", "wrong"), [((89, 1), False), ((90, 1), True), ((1, 95), True)])
def test_the_disk(stage: Environment, used: tuple[int, int], wrong: bool) -> None:
    assert bool(what(stage, disks={"/": used})) == wrong


def test_a_database_of_somebody_else(environment: Callable[..., Environment]) -> None:
    elsewhere = environment(tls="none", database_managed=False, database_host="db.example.com")
    [found] = findings(elsewhere, SECRETS, WELL._replace(login="FATAL: no"), NOW)
    assert found.mend == "ask whoever manages db.example.com:5432, make vault-edit ENV=stage"
    assert what(elsewhere, login=None) == []
