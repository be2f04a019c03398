"""One environment's settings: derived names, refusals and their messages."""

from collections.abc import Callable
from typing import Any

import pytest
from pyinfra.api import Inventory

from group_data.schema.environment import Environment
from group_data.schema.inventory import SettingsError, read_environments
from tests.unit.conftest import PROD, STAGE


def test_every_name_of_the_design_follows_from_app_and_environment(environment: Callable[..., Environment]) -> None:
    stage = environment()
    assert stage.full_name == "billing_stage"
    assert stage.unit == "billing_stage.service"
    assert stage.secret_path == "/var/stage.secret.exs"
    assert stage.database == "billing_stage"
    assert stage.node == "billing_stage@127.0.0.1"
    assert (stage.login, stage.home) == ("billing", "/home/billing")
    assert stage.user == "billing_stage"
    assert stage.root == "/home/billing/stage"
    assert stage.appsignal_path == "/home/billing/stage/appsignal"
    assert stage.app_path == "/home/billing/stage/billing"
    assert stage.repo == "Billing.Repo"
    assert stage.endpoint == "BillingWeb.Endpoint"


def test_a_hosted_database_has_names_of_its_own(environment: Callable[..., Environment]) -> None:
    hosted = environment(**EXTERNAL, database_name="defaultdb", database_user="postgres.tenant")
    assert (hosted.database, hosted.database_role) == ("defaultdb", "postgres.tenant")
    plain = environment(**EXTERNAL)
    assert (plain.database, plain.database_role) == ("billing_stage", "billing_stage")


def test_addresses_and_networks_in_their_canonical_form(environment: Callable[..., Environment]) -> None:
    addresses = ("192.0.2.1", "192.0.2.0/24", "2001:db8::1", "2001:db8::/32", "0.0.0.0/0")
    assert environment(allowed_addresses=addresses).allowed_addresses == addresses


def test_files_that_somebody_else_provides(environment: Callable[..., Environment]) -> None:
    assert environment(tls="self_signed").provided_files == {}
    provided = environment(
        **EXTERNAL, tls="provided", tls_certificate="/a", tls_key="/b", database_tls="verified", database_tls_ca="/c"
    )
    assert provided.provided_files == {"tls_certificate": "/a", "tls_key": "/b", "database_tls_ca": "/c"}


def test_modules_of_a_compound_name(environment: Callable[..., Environment]) -> None:
    assert environment(app="time_sheet").endpoint == "TimeSheetWeb.Endpoint"


def test_an_environment_does_not_change(environment: Callable[..., Environment]) -> None:
    with pytest.raises(ValueError, match="frozen"):
        environment().port = 4002  # type: ignore[misc]


KNOWN_HOST = f"git.example.com ssh-ed25519 {'A' * 68}"
EXTERNAL = {"database_managed": False, "database_host": "db.example.com"}

REFUSED = [
    ({"prot": 4001}, "prot = 4001: no such setting; did you mean port?"),
    ({"colour": "red"}, "colour = 'red': no such setting"),
    ({"port": 80}, "port = 80: input should be greater than or equal to 1024"),
    ({"port": "4001"}, "port = '4001': input should be a valid integer"),
    ({"port": True}, "port = True: input should be a valid integer"),
    ({"domain": "Stage.example.com"}, "domain = 'Stage.example.com': must be a host name in lower case"),
    ({"domain": "Bücher.example"}, "(Punycode for other alphabets): DNS has xn--bcher-kva.example"),
    ({"domain": "stage.example.com; return 200"}, "must be a host name in lower case"),
    (
        {"additional_domains": ["*.example.com", "a.example.com"]},
        "additional_domains has *.example.com with tls = 'none': a wildcard needs a certificate by way of DNS, tls = 'acme' "
        "with acme_dns = 'rfc2136', or one of your own, tls = 'provided'; or name each name",
    ),
    (
        {"additional_domains": ["*.example.com"], "tls": "acme"},
        "additional_domains has *.example.com with tls = 'acme'",
    ),
    ({"additional_domains": ["*.example.com"], "tls": "self_signed"}, "a wildcard needs a certificate by way of DNS"),
    ({"additional_domains": ["a.*.example.com"]}, "additional_domains[0] = 'a.*.example.com': must be a host name"),
    ({"additional_domains": ["*.com"]}, "must have the star as its first label, before two others"),
    ({"additional_domains": ["*a.example.com"]}, "must have the star as its first label, before two others"),
    ({"additional_domains": ["*.Example.com"]}, "must be a host name in lower case"),
    ({"domain": "*.example.com"}, "domain = '*.example.com': must be a host name"),
    ({"acme_dns": "rfc2136"}, "acme_dns = 'rfc2136' is not used with tls = 'none': take it out, or set tls = 'acme'"),
    ({"tls": "acme", "acme_dns": "rfc2136"}, "needs acme_dns_server and acme_dns_key"),
    ({"tls": "acme", "acme_dns_port": 5353}, "acme_dns_port: not used without acme_dns: set acme_dns = 'rfc2136'"),
    ({"tls": "acme", "acme_dns_server": "ns.example.com"}, "must be an IPv4 or IPv6 address"),
    ({"tls": "acme", "acme_dns_server": "2001:DB8::1"}, "must be written as 2001:db8::1"),
    ({"tls": "acme", "acme_dns_key": "a b"}, "must be the name of a TSIG key"),
    ({"app": "Billing"}, "app = 'Billing': must be up to 31 of a-z, 0-9 and _, the first a letter"),
    ({"app": "b" * 32}, "must be up to 31 of a-z, 0-9 and _"),
    ({"environment": "st-age"}, "environment = 'st-age': must be up to 31 of a-z"),
    ({"node_name": "billing_stage.0.0.1"}, "node_name = 'billing_stage.0.0.1': must be name@host"),
    ({"release_tool": "exrm"}, "release_tool = 'exrm': input should be 'mix' or 'distillery'"),
    (
        {"node_name": "billing@localhost"},
        "node_name = 'billing@localhost': must be name@host in lower case, the host with a",
    ),
    ({"node_name": "-billing@127.0.0.1"}, "node_name = '-billing@127.0.0.1': must be name@host"),
    ({"tls_certificate": "/etc/ssl/../shadow"}, "must be an absolute path"),
    ({"memory_limit": 1}, "memory_limit = 1: input should be greater than or equal to 64"),
    ({"unit_environment": {"A": "x\0y"}}, "unit_environment['A'] = 'x\\x00y': must not contain a NUL character"),
    ({"unit_environment": {"A B": "x"}}, "unit_environment['A B'] = 'A B': must be up to 255 letters, digits and _"),
    ({"aliases": {"logs": "journalctl\nrm -rf /"}}, "aliases['logs'] = 'journalctl\\nrm -rf /': must be one line"),
    ({"restart": "sometimes"}, "restart = 'sometimes': input should be 'no', 'on-failure' or 'always'"),
    (
        {"database_host": "db.example.com"},
        "database_host = 'db.example.com' describes another PostgreSQL",
    ),
    (
        {"database_port": 6432, "database_tls": "verified", "database_user": "me"},
        "database_tls = 'verified', database_user = 'me' describes",
    ),
    ({"database_name": "billing"}, "set database_managed = False and create role and database there"),
    (
        {"database_pool_size": 21},
        "database_pool_size = 21, and database_connection_limit = 40 is less than 42, what the application and its stand-in "
        'need together: lower the one, raise the other, or set release_strategy = "restart"',
    ),
    ({"database_pool_size": 41}, "database_pool_size = 41 is more than database_connection_limit = 40"),
    (
        EXTERNAL | {"database_tls_ca": "/etc/ssl/ca.pem"},
        "database_tls_ca = '/etc/ssl/ca.pem' is not used with database_tls = 'none'",
    ),
    (EXTERNAL | {"database_tls": "verified", "database_host": "192.0.2.1"}, "and 192.0.2.1 is an address"),
    (EXTERNAL | {"database_tls": "unverified"}, "database_tls = 'unverified': input should be 'none' or 'verified'"),
    (EXTERNAL | {"database_host": "192.0.2.300"}, "database_host = '192.0.2.300': is no IPv4 address"),
    (
        EXTERNAL | {"database_host": "[2001:db8::1]"},
        "database_host = '[2001:db8::1]': must be a host name, or an IPv4 or IPv6 address without brackets",
    ),
    (
        EXTERNAL | {"database_host": "fe80::1%eth0"},
        "database_host = 'fe80::1%eth0': must be a host name, or an IPv4 or IPv6 address without brackets, port and zone",
    ),
    (EXTERNAL | {"database_host": "2001:DB8::1"}, "database_host = '2001:DB8::1': must be written as 2001:db8::1"),
    (EXTERNAL | {"database_host": "::ffff:192.0.2.1"}, "'::ffff:192.0.2.1': must be written as 192.0.2.1"),
    (EXTERNAL | {"database_tls": "verified", "database_host": "2001:db8::1"}, "and 2001:db8::1 is an address"),
    (
        {"unit_environment": {"DATABASE_URL": "ecto://"}},
        "unit_environment: DATABASE_URL is made from the vault's database_password and the settings of the database",
    ),
    (
        {"unit_environment": {"POOL_SIZE": "5"}, "database_pool_size": 5},
        "unit_environment: POOL_SIZE is made from database_pool_size: take it out",
    ),
    ({"secret_variables": ["PORT"]}, "secret_variables: PORT is made from the settings, or the release's own scripts"),
    (
        {"secret_variables": ["SECRET_KEY_BASE"]},
        "secret_variables: SECRET_KEY_BASE is made from the vault's secret_key_base",
    ),
    (
        {"secret_variables": ["APPSIGNAL_PUSH_API_KEY"], "appsignal": True},
        "secret_variables: APPSIGNAL_PUSH_API_KEY is made from the vault's appsignal_push_api_key: take it out",
    ),
    ({"secret_variables": ["A", "B", "A"]}, "secret_variables: A is there twice: take one out"),
    (
        {"secret_variables": ["A"], "unit_environment": {"A": "b"}},
        "secret_variables: A is in unit_environment too, where everybody can read it: keep one",
    ),
    ({"secret_variables": ["stripe_key"]}, "secret_variables: stripe_key has no capital letter"),
    (
        {"secret_variables": ["A=hunter2"]},
        "secret_variables[0] = (a secret by its name: not shown): must be up to 255 letters",
    ),
    ({"build_secrets": ["DATABASE_URL"]}, "build_secrets: DATABASE_URL is made from the vault's database_password"),
    ({"build_secrets": ["GIT_DIR"]}, "build_secrets: GIT_DIR means something to the programs of a build already"),
    ({"build_secrets": ["LD_PRELOAD"]}, "build_secrets: LD_PRELOAD means something to the programs of a build already"),
    ({"build_secrets": ["TAKEN"]}, "build_secrets: TAKEN means something to the programs of a build already"),
    ({"build_secrets": ["A", "A"]}, "build_secrets: A is there twice: take one out"),
    ({"build_secrets": ["token"]}, "build_secrets: token has no capital letter"),
    (
        {"build_secrets": ["A"], "unit_environment": {"A": "b"}},
        "build_secrets: A is in unit_environment too, where everybody can read it: keep one",
    ),
    (
        {"build_git_tokens": {"github.com": "A"}},
        "build_git_tokens: github.com names A, which is not in build_secrets: add it there",
    ),
    (
        {"build_secrets": ["A"], "build_git_tokens": {"a@github.com": "A", "b@github.com": "A"}},
        "build_git_tokens: github.com is there twice: git would take the first one; keep one",
    ),
    ({"build_git_tokens": {"https://github.com": "A"}}, "must be the host of a repository's URL such as github.com"),
    ({"build_git_tokens": {"a'b@github.com": "A"}}, "must be the host of a repository's URL such as github.com"),
    (
        {"build_hex_organizations": {"acme": "A"}},
        "build_hex_organizations: acme names A, which is not in build_secrets: add it there",
    ),
    (
        {"build_hex_repositories": {"oban": f"https://repo.example.com SHA256:{'A' * 43} A"}},
        "build_hex_repositories: oban names A, which is not in build_secrets: add it there",
    ),
    (
        {"build_hex_repositories": {"hexpm": f"https://repo.example.com SHA256:{'A' * 43}"}},
        "build_hex_repositories: hexpm is hex.pm itself, which Hex knows",
    ),
    (
        {"build_hex_repositories": {"oban": "https://repo.example.com"}},
        "must be a URL, the fingerprint of its public key (SHA256:…) and the name of a key in build_secrets",
    ),
    ({"build_deploy_key": "KEY"}, "build_deploy_key = 'KEY' needs build_known_hosts: ssh refuses a host"),
    ({"build_deploy_key": "key", "build_known_hosts": [KNOWN_HOST]}, "build_deploy_key = 'key' has no capital letter"),
    (
        {"build_deploy_key": "KEY", "build_known_hosts": [KNOWN_HOST], "build_secrets": ["KEY"]},
        "build_deploy_key = 'KEY' is in build_secrets too, which makes it a variable",
    ),
    (
        {"build_known_hosts": [KNOWN_HOST]},
        "build_known_hosts is not used without build_deploy_key: remove it, or name the key",
    ),
    ({"build_known_hosts": ["git.example.com"]}, "must be a line of known_hosts such as git.example.com ssh-ed25519"),
    ({"build_memory_limit": 100}, "build_memory_limit = 100: input should be greater than or equal to 256"),
    (EXTERNAL | {"database_user": 'a"b'}, "database_user = 'a\"b': must be up to 128 letters"),
    ({"basic_auth_user": "a:b"}, "basic_auth_user = 'a:b': must be up to 64 letters, digits and"),
    ({"basic_auth_user": "a\nb"}, "basic_auth_user = 'a\\nb': must be up to 64 letters"),
    ({"basic_auth_user": "#a"}, "basic_auth_user = '#a': must be up to 64 letters"),
    (
        {"allowed_addresses": ["office"]},
        "allowed_addresses[0] = 'office': must be an IPv4 or IPv6 address or a network",
    ),
    ({"allowed_addresses": ["192.0.2.7/24"]}, "write 192.0.2.0/24 for the network, or 192.0.2.7 for the one address"),
    (
        {"allowed_addresses": ["2001:DB8:0::1"]},
        "allowed_addresses[0] = '2001:DB8:0::1': must be written as 2001:db8::1",
    ),
    ({"allowed_addresses": ["192.0.2.7/32"]}, "must be written as 192.0.2.7"),
    ({"allowed_addresses": ["192.0.2.0/255.255.255.0"]}, "must be written as 192.0.2.0/24"),
    ({"allowed_addresses": ["::ffff:192.0.2.7"]}, "under its IPv4 address: write 192.0.2.7"),
    ({"allowed_addresses": ["fe80::1%eth0"]}, "allowed_addresses[0] = 'fe80::1%eth0': must be"),
    ({"allowed_addresses": ["255.255.255.255"]}, "is the broadcast address: no client has it, and nginx refuses it"),
    ({"allowed_addresses": ["192.0.2.1; deny all"]}, "must be an IPv4 or IPv6 address"),
    ({"repo_module": "repo"}, "repo_module = 'repo': must be the name of an Elixir module"),
    ({"aliases": {"-a": "ls"}}, "aliases['-a'] = '-a': must be up to 64 letters, digits and _ . -"),
    (
        {"database_extensions": ["citext; DROP"]},
        "database_extensions[0] = 'citext; DROP': must be the name of an extension",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_refused_with_host_key_and_value(
    inventory: Callable[..., Inventory], wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_environments(inventory(stage=STAGE | wrong))
    assert str(refusal.value).startswith("1 problem:\n  stage: ")
    assert message in str(refusal.value)


def test_all_problems_are_listed_at_once(inventory: Callable[..., Inventory]) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_environments(inventory(stage=STAGE | {"prot": 1, "memory_limit": 1}, prod=PROD | {"domain": ""}))
    lines = str(refusal.value).splitlines()
    assert lines[0] == "3 problems:"
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["stage", "stage", "prod"]
    assert lines[4].startswith("Nothing was changed.")


def test_a_missing_setting_is_explained(inventory: Callable[..., Inventory]) -> None:
    with pytest.raises(SettingsError, match=r"stage: port is not set: TCP port .* \(group_data/stage.py\)"):
        read_environments(inventory(stage={key: value for key, value in STAGE.items() if key != "port"}))


def test_a_secret_in_group_data_is_refused_without_showing_it(inventory: Callable[..., Inventory]) -> None:
    with pytest.raises(SettingsError) as refusal:
        read_environments(inventory(stage=STAGE | {"database_password": "hunter2hunter2"}))
    assert "database_password is a secret" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_the_message_names_the_file_a_value_stands_in() -> None:
    inventory = Inventory(
        ([("a", {"memory_limit": 1})], {"cpu_weight": 0}),
        override_data={"task_limit": 1},
        stage=(["a"], STAGE | {"file_limit": 1}),
    )
    with pytest.raises(SettingsError) as refusal:
        read_environments(inventory)
    message = str(refusal.value)
    assert "cpu_weight = 0" in message
    for setting, source in {
        "cpu_weight": "group_data/all.py",
        "file_limit": "group_data/stage.py",
        "memory_limit": "inventory.py",
        "task_limit": "--data",
    }.items():
        assert any(setting in line and line.endswith(f"({source})") for line in message.splitlines())


def test_pyinfras_own_keys_are_not_settings(inventory: Callable[..., Inventory]) -> None:
    environments = read_environments(inventory(stage=STAGE | {"ssh_user": "devops", "_sudo": True}))
    assert environments["stage"].port == 4001
