"""The reasons for which a certificate is ordered, and the findings about orders and renewals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from group_data.schema.environment import Environment
from inspection.diagnosis_certificate import of
from operations import acme
from operations.acme import HOOK, Order, due
from operations.certificate import Pair
from operations.host import program
from operations.nginx import CHALLENGES, LOADED, RELOAD_PATIENCE
from tests.unit import certificates
from tests.unit.certificates import NOW

URL = "https://acme-v02.api.letsencrypt.org/directory"
KNOWN = Order(URL, "", HOOK, "webroot", CHALLENGES)
DNS = {"acme_dns": "rfc2136", "acme_dns_server": "192.0.2.53", "acme_dns_key": "billing"}


@pytest.mark.parametrize(
    ("names", "known", "reason"),
    [
        (("stage.example.com",), KNOWN, None),
        (("stage.example.com", "www.example.com"), KNOWN, "is for stage.example.com, www.example.com"),
        (("www.example.com",), KNOWN, "is for www.example.com"),
        (("stage.example.com",), KNOWN._replace(server="https://other"), "is from https://other"),
        (("stage.example.com",), Order(), "is from an unknown authority"),
        (("stage.example.com",), KNOWN._replace(profile="shortlived"), "has the profile shortlived"),
        (("stage.example.com",), KNOWN._replace(hook="theirs"), "nginx would not read a renewed one"),
        (("stage.example.com",), KNOWN._replace(failed="at 12", renewal="no"), None),
        (("stage.example.com",), KNOWN._replace(autorenew="False"), "its renewal is switched off"),
        (("stage.example.com",), KNOWN._replace(way="nginx", place=""), "would prove the names by nginx, with nothing"),
        (("stage.example.com",), KNOWN._replace(place="/var/www"), "would prove the names by webroot, with /var/www"),
        (("stage.example.com",), KNOWN._replace(key="ecdsa"), None),
        (("stage.example.com",), KNOWN._replace(key="rsa"), "would make a key of the kind rsa"),
        (("stage.example.com",), KNOWN._replace(others="pre_hook"), "have settings of somebody else: pre_hook"),
        (("stage.example.com",), KNOWN._replace(account="gone"), "is not on the host any more"),
    ],
)
def test_an_order_is_due(
    environment: Callable[..., Environment], names: tuple[str, ...], known: Order, reason: str | None
) -> None:
    found = due(environment(tls="acme"), certificates.pair(*names), known, NOW)
    assert found is None if reason is None else reason in str(found)


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (Pair(""), "there is none yet"),
        (certificates.pair("stage.example.com", ends=NOW + timedelta(hours=1)), "was not renewed in time"),
        (certificates.pair("stage.example.com")._replace(key="AAAA"), "belongs to another private key"),
        (certificates.pair("stage.example.com")._replace(trusted=False), None),
        (certificates.pair("stage.example.com", ends=NOW + timedelta(days=20)), None),
    ],
)
def test_a_certificate_that_does_not_do(
    environment: Callable[..., Environment], pair: Pair, reason: str | None
) -> None:
    found = due(environment(tls="acme"), pair, KNOWN, NOW)
    assert found is None if reason is None else reason in str(found)


def test_a_key_of_another_kind(environment: Callable[..., Environment]) -> None:
    pair = certificates.pair("stage.example.com", key=rsa.generate_private_key(65537, 2048))
    assert "has a key of another kind than ecdsa" in str(due(environment(tls="acme"), pair, KNOWN, NOW))


def test_a_failed_renewal_is_a_reason_where_somebody_asks(environment: Callable[..., Environment]) -> None:
    stage, fresh, failed = environment(tls="acme"), certificates.pair("stage.example.com"), KNOWN._replace(renewal="no")
    assert due(stage, fresh, failed, NOW) is None
    assert "the last renewal failed" in str(due(stage, fresh, failed, NOW, force=True))
    assert due(stage, fresh, KNOWN, NOW, force=True) is None


def test_names_in_another_order_are_the_same(environment: Callable[..., Environment]) -> None:
    stage = environment(tls="acme", additional_domains=["a.example.com"])
    assert due(stage, certificates.pair("a.example.com", "stage.example.com"), KNOWN, NOW) is None


def test_the_end_by_a_wrong_clock(environment: Callable[..., Environment]) -> None:
    stage, later = environment(tls="acme"), NOW + timedelta(days=365)
    fresh = certificates.pair("stage.example.com")
    here = KNOWN._replace(clock=str(int(NOW.timestamp())))
    there = KNOWN._replace(clock=str(int(later.timestamp())))
    # A new certificate would be no better, and each apply would order one.
    assert due(stage, fresh, here, later) is None
    assert due(stage, fresh, there, NOW) is None
    assert due(stage, fresh, here, NOW - timedelta(days=30)) is None
    assert "has expired" in str(due(stage, fresh, there, later))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["*.stage.example.com"], ("stage.example.com", "*.stage.example.com")),
        # Authorities refuse a name beside a wildcard that stands for it.
        (["*.example.com"], ("*.example.com",)),
        (["*.example.com", "a.b.example.com"], ("*.example.com", "a.b.example.com")),
    ],
)
def test_wildcards(environment: Callable[..., Environment], names: list[str], wanted: tuple[str, ...]) -> None:
    stage = environment(tls="acme", additional_domains=names, **DNS)
    known = KNOWN._replace(way="dns-rfc2136", place="/var/lib/billing_stage/acme-dns.ini", wait="60")
    assert stage.certificate_names == wanted
    # As a browser asks for it, for websockets.
    assert not [name for name in stage.asked_names if "*" in name]
    assert due(stage, certificates.pair(*wanted), known, NOW) is None
    assert "is for other.example.com" in str(due(stage, certificates.pair("other.example.com"), known, NOW))
    assert "wait 9 seconds" in str(due(stage, certificates.pair(*wanted), known._replace(wait="9"), NOW))
    assert "by webroot" in str(due(stage, certificates.pair(*wanted), KNOWN, NOW))
    # certbot 2.1 drops the default when it renews.
    assert due(stage, certificates.pair(*wanted), known._replace(wait=""), NOW) is None


@pytest.mark.parametrize(
    ("directory", "url"),
    [("staging", "https://acme-staging-v02.api.letsencrypt.org/directory"), ("https://a/dir", "https://a/dir")],
)
def test_another_authority(environment: Callable[..., Environment], directory: str, url: str) -> None:
    stage = environment(tls="acme", acme_directory=directory)
    assert stage.acme_url == url
    assert due(stage, certificates.pair("stage.example.com"), KNOWN, NOW) == f"the one on the host is from {URL}"


@pytest.mark.parametrize(
    ("settings", "order", "found"),
    [
        ({}, KNOWN, []),
        (
            {},
            KNOWN._replace(failed="12:00: no record"),
            ["the last order of a certificate failed, at 12:00: no record"],
        ),
        ({}, KNOWN._replace(renewal="no route"), ["certbot could not renew the certificate billing_stage: no route"]),
        ({"acme_directory": "staging"}, KNOWN, []),
        (
            {"acme_directory": "staging", "indexed": True},
            KNOWN,
            ["acme_directory = 'staging' for a site that search engines index (indexed = True)"],
        ),
    ],
)
def test_findings(
    environment: Callable[..., Environment], settings: dict[str, Any], order: Order, found: list[str]
) -> None:
    assert [finding.what for finding in of(environment(tls="acme", **settings), order)] == found


def test_a_certificate_that_nginx_has_not_read(environment: Callable[..., Environment]) -> None:
    stage = environment(tls="acme")
    assert "nginx serves another certificate for stage.example.com" in of(stage, KNOWN, "other")[0].what
    assert of(stage, KNOWN, "served") == []


DROP_IN = "/etc/systemd/system/certbot.service.d/deploy.conf"


@pytest.mark.parametrize(
    ("held", "planned", "reloads"),
    [
        ({"DropInPaths": DROP_IN, "NeedDaemonReload": "no"}, False, False),
        ({"DropInPaths": f"/etc/other.conf {DROP_IN}", "NeedDaemonReload": "yes"}, False, True),
        # Debian 12's systemd looks into no directory that is new.
        ({"DropInPaths": "", "NeedDaemonReload": "no"}, False, True),
        ({"DropInPaths": DROP_IN, "NeedDaemonReload": "no"}, True, True),
        ({}, True, False),
    ],
)
def test_systemd_reads_the_addition_to_certbots_service(
    monkeypatch: pytest.MonkeyPatch, held: dict[str, str], *, planned: bool, reloads: bool
) -> None:
    monkeypatch.setattr(acme, "properties", lambda _: held)
    monkeypatch.setattr(acme, "is_planned", lambda _: planned)
    assert bool([*acme.service_runs_it._inner()]) == reloads


def test_renewals_know_the_program_after_them() -> None:
    assert f"hook={HOOK} " in program.text("renew_certificates.sh")


def test_certbot_reloads_as_an_apply_does() -> None:
    assert f"loaded=${{1:-{LOADED}}} patience=${{2:-{RELOAD_PATIENCE}}}" in program.text("reload_nginx.sh")
