"""The packages of a machine."""

from collections.abc import Callable

from group_data.schema.environment import Environment
from operations.machine import PACKAGES, required
from tests.unit.conftest import PROD


def test_postgresql_where_a_database_is_managed(environment: Callable[..., Environment]) -> None:
    here, elsewhere = environment(), environment(PROD, database_managed=False, database_host="db.example.com")
    assert required([here, elsewhere]) == list(PACKAGES)
    assert required([elsewhere]) == [name for name in PACKAGES if name != "postgresql"]


def test_certbot_where_a_site_needs_it(environment: Callable[..., Environment]) -> None:
    assert {"certbot", "ca-certificates"} <= set(required([environment(), environment(PROD, tls="acme")]))
    assert "certbot" not in required([environment(), environment(PROD, tls="self_signed")])


def test_the_systems_certificates_where_they_are_checked_against(environment: Callable[..., Environment]) -> None:
    verified = {"database_managed": False, "database_host": "db.example.com", "database_tls": "verified"}
    assert "ca-certificates" in required([environment(**verified)])
    assert "ca-certificates" not in required([environment(**verified, database_tls_ca="/etc/ssl/db.pem")])
