"""What each setting puts into a file, and what it leaves out. nginx and systemd judge the files in tests/host."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from group_data.schema.environment import Environment
from operations.rendering import render

TLS = {"tls": "provided", "tls_certificate": "/etc/ssl/a.pem", "tls_key": "/etc/ssl/a.key"}


def site(environment: Environment, http2_directive: bool = True) -> str:
    return render("site.j2", environment=environment, http2_directive=http2_directive)


SITE = [
    # settings, present, absent
    ({}, ["server_name stage.example.com;", "listen 80;", "server 127.0.0.1:4001"], ["ssl", "Strict-Transport", "301"]),
    ({}, ['X-Robots-Tag "noindex, nofollow" always'], []),
    ({"indexed": True}, [], ["X-Robots-Tag"]),
    ({"additional_domains": ["www.example.com"]}, ["server_name stage.example.com www.example.com;"], []),
    ({"request_body_limit": 20}, ["client_max_body_size 20m;"], []),
    ({"tls": "self_signed"}, ["/etc/ssl/private/billing_stage.pem;", "return 301 https://"], ["Strict-Transport"]),
    (TLS, ["ssl_certificate /etc/ssl/a.pem;", "ssl_certificate_key /etc/ssl/a.key;", "TLSv1.2 TLSv1.3;"], ["Strict-T"]),
    (TLS | {"hsts": True}, ['Strict-Transport-Security "max-age=31536000" always;'], ["includeSubDomains"]),
    (
        TLS | {"hsts": True, "hsts_include_subdomains": True, "hsts_preload": True},
        ['"max-age=31536000; includeSubDomains; preload" always;'],
        [],
    ),
    (TLS | {"hsts": True, "hsts_max_age": 0}, ['"max-age=0" always;'], []),
]


@pytest.mark.parametrize(("settings", "present", "absent"), SITE)
def test_site(
    environment: Callable[..., Environment], settings: dict[str, Any], present: list[str], absent: list[str]
) -> None:
    text = site(environment(**settings))
    assert [line for line in present if line not in text] == []
    assert [line for line in absent if line in text] == []


def test_http2_is_said_in_the_words_of_each_nginx(environment: Callable[..., Environment]) -> None:
    assert "http2 on;" in site(environment(**TLS), http2_directive=True)
    older = site(environment(**TLS), http2_directive=False)
    assert "listen 443 ssl http2;" in older
    assert "http2 on;" not in older


def unit(environment: Environment) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z]+)=(.*)$", render("unit.service.j2", environment=environment), re.MULTILINE))


def test_unit_of_each_release_tool(environment: Callable[..., Environment]) -> None:
    assert unit(environment())["ExecStart"] == "/home/billing/stage/billing/bin/billing start"
    assert (
        unit(environment(release_tool="distillery"))["ExecStart"]
        == "/home/billing/stage/billing/bin/billing foreground"
    )


def test_unit_follows_the_settings(environment: Callable[..., Environment]) -> None:
    written = unit(
        environment(
            restart="no", memory_limit=100, cpu_weight=7, task_limit=99, file_limit=2048, database_managed=False
        )
    )
    assert written["Restart"] == "no"
    assert (written["MemoryMax"], written["CPUWeight"], written["TasksMax"], written["LimitNOFILE"]) == (
        "100M", "7", "99", "2048",
    )  # fmt: skip
    assert "postgresql" not in written["After"]
    assert "postgresql.service" in unit(environment())["After"]


def variables(environment: Environment) -> list[str]:
    return render("variables.j2", environment=environment).splitlines()


def test_variables(environment: Callable[..., Environment]) -> None:
    mix = variables(environment(appsignal=True, deployment_config="stage", unit_environment={"GREETING": 'a "b" $c'}))
    assert "RELEASE_NODE=billing_stage@127.0.0.1" in mix
    assert "APPSIGNAL_WORKING_DIRECTORY_PATH=/home/billing/stage/appsignal" in mix
    assert "DEPLOYMENT_CONFIG=stage" in mix
    assert 'GREETING="a \\"b\\" \\$c"' in mix
    distillery = variables(environment(release_tool="distillery"))
    assert "RELEASE_MUTABLE_DIR=/home/billing/stage/private/var" in distillery
    assert not any(line.startswith(("RELEASE_NODE", "APPSIGNAL", "DEPLOYMENT_CONFIG")) for line in distillery)
