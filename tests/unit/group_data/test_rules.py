"""Environments that are correct alone but break each other."""

from collections.abc import Callable
from typing import Any

import pytest
from pyinfra.api import Inventory

from group_data.schema.inventory import SettingsError, environments_on, machine_of, read_environments
from tests.unit.conftest import PROD, STAGE

TLS = {"tls": "provided", "tls_certificate": "/etc/ssl/a.pem", "tls_key": "/etc/ssl/a.key"}


@pytest.mark.parametrize(
    "changes",
    [{"port": 4000}, {"node_name": "billing_prod@127.0.0.1"}, {"journal_limit": 64}, {"nginx_connections": 1024}],
)
def test_the_same_on_two_machines_is_fine(inventory: Callable[..., Inventory], changes: dict[str, Any]) -> None:
    both = read_environments(inventory(stage=STAGE | changes, prod=PROD | {"ssh_hostname": "other.example.com"}))
    assert len(both) == 2


@pytest.mark.parametrize("tls", ["none", "self_signed"])
def test_plain_http_below_a_parent_with_hsts_is_refused(inventory: Callable[..., Inventory], tls: str) -> None:
    parent = PROD | TLS | {"hsts": True, "hsts_include_subdomains": True}
    with pytest.raises(SettingsError) as refusal:
        read_environments(inventory(stage=STAGE | {"tls": tls}, prod=parent))
    assert str(refusal.value).splitlines()[1:-1] == [
        f"  stage: stage.example.com has tls = '{tls}', but example.com (prod) sends HSTS with includeSubDomains: a "
        "browser that has seen it turns every address below into HTTPS and shows 'Your connection is not private' without a "
        "way past, though nothing is wrong with the site itself. Deleting the parent's policy in "
        "chrome://net-internals/#hsts helps one browser only. Either give this environment a certificate (tls = "
        "'acme' or 'provided'), or move it to a domain of another parent (or stop the parent from sending includeSubDomains "
        "and wait for its max-age) (inventory.py)"
    ]


@pytest.mark.parametrize(
    ("stage", "prod"),
    [
        (TLS, TLS | {"hsts": True, "hsts_include_subdomains": True}),
        ({"tls": "acme"}, {"tls": "acme", "hsts": True, "hsts_include_subdomains": True}),
        ({}, TLS | {"hsts": True}),
        ({"domain": "stage.example.org"}, TLS | {"hsts": True, "hsts_include_subdomains": True}),
        ({"domain": "notexample.com"}, TLS | {"hsts": True, "hsts_include_subdomains": True}),
        ({"hsts_parents": ["other.com"]}, {}),
    ],
    ids=["stage has TLS", "by an authority", "subdomains not claimed", "other domain", "same ending", "other parent"],
)
def test_no_hsts_above_is_fine(
    inventory: Callable[..., Inventory], stage: dict[str, Any], prod: dict[str, Any]
) -> None:
    assert read_environments(inventory(stage=STAGE | stage, prod=PROD | prod))


def test_a_parent_that_is_a_wildcard(inventory: Callable[..., Inventory]) -> None:
    prod = PROD | TLS | {"hsts": True, "hsts_include_subdomains": True, "additional_domains": ["*.example.org"]}
    assert read_environments(inventory(stage=STAGE | {"domain": "stage.example.org"}, prod=prod))
    with pytest.raises(SettingsError, match=r"\*\.example\.org \(prod\) sends HSTS"):
        read_environments(inventory(stage=STAGE | {"domain": "a.stage.example.org"}, prod=prod))


@pytest.mark.parametrize(
    ("changes", "parent"),
    [({"hsts_parents": ["example.com"]}, "hsts_parents"), ({"domain": "stage.example.dev"}, "HSTS for .dev")],
)
def test_known_parents_and_preloaded_domains_count(
    inventory: Callable[..., Inventory], changes: dict[str, Any], parent: str
) -> None:
    with pytest.raises(SettingsError, match=parent.replace(".", r"\.")):
        read_environments(inventory(stage=STAGE | changes))


def test_environments_of_one_machine(inventory: Callable[..., Inventory]) -> None:
    hosts = inventory(stage=STAGE, prod=PROD, qa=PROD | {"environment": "qa", "ssh_hostname": "other.example.com"})
    environments = read_environments(hosts)
    shared = environments_on(machine_of(hosts.get_host("prod")), hosts, environments)
    assert [environment.environment for environment in shared] == ["stage", "prod"]
