"""The key by which certbot writes records into DNS."""

from collections.abc import Callable

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations import acme_dns
from operations.host.rendering import render

DNS = {"tls": "acme", "acme_dns": "rfc2136", "acme_dns_server": "2001:db8::53", "acme_dns_key": "billing"}
VAULT = {"database_password": "correct-horse", "secret_key_base": "s" * 64, "cookie": "c" * 20}
SECRET = "c2VjcmV0LW9mLWEta2V5"


def test_the_file_that_certbot_reads(environment: Callable[..., Environment]) -> None:
    secrets = Secrets.model_validate(VAULT | {"acme_dns_secret": SECRET})
    text = render("acme-dns.ini.j2", environment=environment(**DNS), secrets=secrets)
    settings = dict(line.split(" = ") for line in text.splitlines() if not line.startswith("#"))
    assert text.endswith("\n")
    assert settings == {
        "dns_rfc2136_server": "2001:db8::53",
        "dns_rfc2136_port": "53",
        "dns_rfc2136_name": "billing",
        "dns_rfc2136_secret": SECRET,
        "dns_rfc2136_algorithm": "HMAC-SHA256",
        "dns_rfc2136_sign_query": "true",
    }
    # It is certbot's alone.
    assert "acme_dns_secret" not in secrets.application


def test_a_vault_without_the_key_is_refused(environment: Callable[..., Environment]) -> None:
    secrets = Secrets.model_validate(VAULT)
    acme_dns.require(environment(tls="acme"), secrets)
    with pytest.raises(DeployError, match=r"needs acme_dns_secret in the vault of stage.*Nothing was changed\."):
        acme_dns.require(environment(**DNS), secrets)
