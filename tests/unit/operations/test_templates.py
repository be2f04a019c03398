"""The effect of each setting on a file. nginx and systemd judge the files in tests/host."""

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from group_data.schema.environment import Environment
from group_data.schema.secrets import Secrets
from operations.host.firewall import owner_table
from operations.host.rendering import render
from operations.nginx import CHALLENGES, HEADER_TIMEOUT

TLS = {"tls": "provided", "tls_certificate": "/etc/ssl/a.pem", "tls_key": "/etc/ssl/a.key"}


def site(environment: Environment, http2_directive: bool = True, ipv6: bool = True) -> str:
    return render(
        "site.j2",
        environment=environment,
        http2_directive=http2_directive,
        header_timeout=HEADER_TIMEOUT,
        challenges=CHALLENGES,
        ipv6=ipv6,
    )


SITE = [
    # settings, present, absent
    (
        {},
        ["server_name stage.example.com;", "listen 80;", "server 127.0.0.1:4001"],
        ["ssl", "add_header Strict", "301"],
    ),
    ({}, ['X-Robots-Tag "noindex, nofollow" always'], []),
    ({"indexed": True}, [], ["X-Robots-Tag"]),
    ({"additional_domains": ["www.example.com"]}, ["server_name stage.example.com www.example.com;"], []),
    (
        TLS | {"additional_domains": ["www.example.com"], "redirect_to": "stage.example.com", "hsts": True},
        [
            "server_name stage.example.com;",
            "server_name www.example.com;",
            "server_name stage.example.com www.example.com;",
            "return 301 https://stage.example.com$request_uri;",
        ],
        [],
    ),
    (
        {"additional_domains": ["www.example.com"], "redirect_to": "stage.example.com"},
        ["server_name www.example.com;", "return 301 http://stage.example.com$request_uri;"],
        ["server_name stage.example.com www.example.com;"],
    ),
    ({"request_body_limit": 20}, ["client_max_body_size 20m;"], []),
    ({"tls": "self_signed"}, ["/etc/ssl/private/billing_stage.pem;", "return 301 https://"], ["add_header Strict"]),
    (
        TLS,
        ["ssl_certificate /etc/ssl/a.pem;", "ssl_certificate_key /etc/ssl/a.key;", "TLSv1.2 TLSv1.3;"],
        ["add_header Strict"],
    ),
    (TLS | {"hsts": True}, ['Strict-Transport-Security "max-age=31536000" always;'], ["includeSubDomains"]),
    (
        TLS | {"hsts": True, "hsts_include_subdomains": True, "hsts_preload": True},
        ['"max-age=31536000; includeSubDomains; preload" always;'],
        [],
    ),
    (TLS | {"hsts": True, "hsts_max_age": 0}, ['"max-age=0" always;'], []),
    ({}, [], ["allow", "deny", "auth_basic", "satisfy", "Authorization"]),
    (
        {"allowed_addresses": ["192.0.2.0/24", "2001:db8::1"]},
        ["allow 192.0.2.0/24;", "allow 2001:db8::1;", "deny all;"],
        ["satisfy"],
    ),
    (
        {"basic_auth_user": "team"},
        ['auth_basic "billing_stage";', "auth_basic_user_file /etc/nginx/billing_stage.htpasswd;", 'Authorization ""'],
        ["satisfy", "deny"],
    ),
    (
        {},
        [
            "limit_conn billing_stage_clients 500;",
            "client_body_timeout 30s;",
            "send_timeout 30s;",
            "header_timeout 20s;",
        ],
        [],
    ),
    ({"address_connections": 0, "client_timeout": 9}, ["client_body_timeout 9s;"], ["limit_conn"]),
    ({}, ["proxy_set_header Upgrade $upgrade_4001;"], ["Upgrade $http_upgrade"]),
    (TLS, ["ssl_ecdh_curve X25519:prime256v1:secp384r1;", "ssl_prefer_server_ciphers off;"], ["CBC", "AES128-SHA"]),
    ({}, ["proxy_read_timeout 75s;", "proxy_buffer_size 32k;", "X-Forwarded-Proto $scheme;"], ["real_ip", "geo "]),
    ({"request_timeout": 300}, ["proxy_read_timeout 300s;"], ["75s"]),
    (
        {"trusted_proxies": ["10.0.0.0/8", "2001:db8::1"]},
        [
            "set_real_ip_from 10.0.0.0/8;",
            "set_real_ip_from 2001:db8::1;",
            "    2001:db8::1 1;",
            "X-Forwarded-Proto $scheme_4001;",
            '"1:https" https;',
        ],
        ["X-Forwarded-Proto $scheme;", "X-Forwarded-Port $server_port;"],
    ),
    ({"basic_auth_user": "team", "allowed_addresses": ["192.0.2.1"]}, ["satisfy all;", "deny all;", "auth_basic "], []),
    # Of the package remote_ip; a CDN in front says the last one.
    ({}, ['proxy_set_header X-Client-IP "";', 'proxy_set_header CF-Connecting-IP "";'], []),
    ({"trusted_proxies": ["10.0.0.0/8"]}, ['proxy_set_header X-Client-IP "";'], ["CF-Connecting-IP"]),
]


@pytest.mark.parametrize(("settings", "present", "absent"), SITE)
def test_site(
    environment: Callable[..., Environment], settings: dict[str, Any], present: list[str], absent: list[str]
) -> None:
    text = site(environment(**settings))
    assert [line for line in present if line not in text] == []
    assert [line for line in absent if line in text] == []


@pytest.mark.parametrize("tls", [{}, TLS])
def test_without_ipv6_no_server_listens_there(environment: Callable[..., Environment], tls: dict[str, Any]) -> None:
    text = site(environment(**tls)) + render("default-server.j2", header_timeout=20, challenges=CHALLENGES)
    without = site(environment(**tls), ipv6=False)
    without += render("default-server.j2", header_timeout=20, challenges=CHALLENGES, ipv6=False)
    assert without == re.sub(r"^    listen \[::\].*\n", "", text, flags=re.MULTILINE) != text


@pytest.mark.parametrize("tls", [{}, TLS])
def test_every_server_of_a_site_shows_whose_it_is(environment: Callable[..., Environment], tls: dict[str, Any]) -> None:
    _, *servers = site(environment(**tls)).split("\nserver {")
    assert all(f'return 200 "{environment().site_mark}\\n";' in server for server in servers)


@pytest.mark.parametrize("settings", [{}, TLS, TLS | {"hsts": True}, TLS | {"basic_auth_user": "team"}])
def test_no_location_lets_the_applications_hsts_pass(
    environment: Callable[..., Environment], settings: dict[str, Any]
) -> None:
    locations = re.findall(r"^    location .*?^    }", site(environment(**settings)), re.MULTILINE | re.DOTALL)
    proxied = [location for location in locations if "proxy_pass" in location]
    assert len(proxied) == 2 + ("basic_auth_user" in settings)
    assert all("proxy_hide_header Strict-Transport-Security;" in location for location in proxied)


def test_the_redirect_to_https_is_for_everybody(environment: Callable[..., Environment]) -> None:
    redirect, main = site(environment(**TLS, basic_auth_user="team", allowed_addresses=["192.0.2.1"])).split(
        "listen 443", 1
    )
    assert "return 301" in redirect
    assert "deny all;" not in redirect
    assert "deny all;" in main


@pytest.mark.parametrize("tls", [{}, TLS, {"tls": "self_signed"}])
@pytest.mark.parametrize("names", [{}, {"additional_domains": ["www.example.com"], "redirect_to": "stage.example.com"}])
@pytest.mark.parametrize("access", [{}, {"allowed_addresses": ["192.0.2.1"]}, {"basic_auth_user": "team"}])
def test_an_authority_is_answered_before_everything_else(
    environment: Callable[..., Environment], tls: dict[str, Any], access: dict[str, Any], names: dict[str, Any]
) -> None:
    servers = site(environment(**tls, **access, **names)).split("\nserver {")[1:]
    servers += render("default-server.j2", header_timeout=HEADER_TIMEOUT, challenges=CHALLENGES).split("\nserver {")[1:]
    for server in servers:
        if "listen 80" not in server:
            assert "acme-challenge" not in server
            continue
        [challenge] = re.findall(r"location \^~ /.well-known/acme-challenge/ {(.*?)^    }", server, re.M | re.S)
        assert f"root {CHALLENGES};" in challenge
        assert "deny all;" not in server or "allow all;" in challenge
        assert 'auth_basic "' not in server or "auth_basic off;" in challenge
        # A return outside of a location comes before all locations.
        assert not re.search(r"^    return", server, re.MULTILINE)


SECRETS = Secrets.model_validate(
    {"database_password": "correct-horse", "secret_key_base": "s" * 64, "cookie": "c" * 20}
)
ELSEWHERE = {
    "database_managed": False,
    "database_host": "db.example.com",
    "database_port": 25060,
    "database_name": "defaultdb",
    "database_user": "doadmin",
    "database_pool_size": 7,
}
OPTIONS = """\
    verify: :verify_peer,
    cacertfile: "/etc/ssl/certs/ca-certificates.crt",
    server_name_indication: ~c"db.example.com"
  ],
"""


def repo(environment: Environment) -> str:
    return render("secret.exs.j2", environment=environment, secrets=SECRETS, digests={}).split("\n\n")[1]


def test_the_local_database(environment: Callable[..., Environment]) -> None:
    assert (
        repo(environment())
        == """\
config :billing, Billing.Repo,
  username: "billing_stage",
  password: "correct-horse",
  database: "billing_stage",
  hostname: "127.0.0.1",
  port: 5432"""
    )


def test_the_secret_of_an_umbrellas_endpoint(environment: Callable[..., Environment]) -> None:
    umbrella = environment(endpoint_app="billing_web")
    text = render("secret.exs.j2", environment=umbrella, secrets=SECRETS, digests={})
    assert "config :billing, Billing.Repo,\n" in text
    assert "config :billing_web, BillingWeb.Endpoint,\n  secret_key_base:" in text


@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_a_database_elsewhere(environment: Callable[..., Environment], tool: str) -> None:
    text = repo(environment(**ELSEWHERE, release_tool=tool))
    for line in (
        'username: "doadmin"',
        'database: "defaultdb"',
        "pool_size: 7",
        'hostname: "db.example.com"',
        "port: 25060",
    ):
        assert f"  {line}" in text
    assert "ssl" not in text


@pytest.mark.parametrize(("tool", "form"), [("mix", "  ssl: [\n"), ("distillery", "  ssl: true,\n  ssl_opts: [\n")])
def test_tls_in_the_words_of_each_postgrex(environment: Callable[..., Environment], tool: str, form: str) -> None:
    assert form + OPTIONS in repo(environment(**ELSEWHERE, database_tls="verified", release_tool=tool))
    own = environment(**ELSEWHERE, database_tls="verified", database_tls_ca="/etc/ssl/db.pem", release_tool=tool)
    assert 'cacertfile: "/etc/ssl/db.pem"' in repo(own)


def test_no_cipher_without_authentication_of_its_blocks(environment: Callable[..., Environment]) -> None:
    for text in (
        site(environment(**TLS)),
        render("default-server.j2", header_timeout=HEADER_TIMEOUT, challenges=CHALLENGES),
    ):
        [ciphers] = re.findall(r"ssl_ciphers (.*);", text)
        assert all("GCM" in cipher or "POLY1305" in cipher for cipher in ciphers.split(":"))


def test_http2_is_said_in_the_words_of_each_nginx(environment: Callable[..., Environment]) -> None:
    assert "http2 on;" in site(environment(**TLS), http2_directive=True)
    older = site(environment(**TLS), http2_directive=False)
    assert "listen 443 ssl http2;" in older
    assert "http2 on;" not in older


def unit_lines(environment: Environment) -> list[str]:
    return render("unit.service.j2", environment=environment).splitlines()


def unit(environment: Environment) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z]+)=(.*)$", render("unit.service.j2", environment=environment), re.MULTILINE))


def test_unit_of_each_release_tool(environment: Callable[..., Environment]) -> None:
    assert unit(environment())["ExecStart"] == "/home/billing/stage/billing/bin/billing start"
    assert (
        unit(environment(release_tool="distillery"))["ExecStart"]
        == "/home/billing/stage/billing/bin/billing foreground"
    )


def test_an_application_watches_files_only_if_told_so(environment: Callable[..., Environment]) -> None:
    """systemd takes calls from a list of those that are allowed, so the list comes first."""

    def filters(*, watches: bool) -> list[str]:
        lines = unit_lines(environment(watches_files=watches))
        return [line.partition("=")[2] for line in lines if line.startswith("SystemCallFilter=")]

    assert filters(watches=True) == ["@system-service", "~@privileged @resources"]
    assert filters(watches=False) == [*filters(watches=True), "~inotify_init inotify_init1"]


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


@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_the_revision_is_read_from_a_directory_that_is_roots_alone(
    environment: Callable[..., Environment], tool: str
) -> None:
    """systemd reads the file as root: the application must not be able to put a link in its place."""
    text = render("unit.service.j2", environment=environment(release_tool=tool))
    read = re.findall(r"^EnvironmentFile=-?(.*)$", text, re.MULTILINE)
    assert "/var/lib/billing_stage/revision" in read
    assert not [path for path in read if path.startswith("/home/")]


@pytest.mark.parametrize(
    ("tool", "goes"), [("mix", "tmp/billing-0.1.0.runtime.config"), ("distillery", "var/start_erl.data")]
)
def test_a_start_begins_without_what_the_last_one_wrote(
    environment: Callable[..., Environment], tmp_path: Path, tool: str, goes: str
) -> None:
    """Old secrets of a mix release; the version that Distillery would boot instead of the linked one."""
    given = environment(release_tool=tool)
    stays = tmp_path / ".erlang.cookie"
    for _ in range(2):
        for path in (tmp_path / goes, stays):
            path.parent.mkdir(exist_ok=True)
            path.touch()
        for line in unit_lines(given):
            if line.startswith("ExecStartPre=-"):
                command = line.removeprefix("ExecStartPre=-").replace(given.private_path, str(tmp_path))
                assert subprocess.run(shlex.split(command), check=False).returncode == 0
        assert (not (tmp_path / goes).exists(), stays.exists()) == (True, True)


def test_the_two_newest_crash_dumps_stay(environment: Callable[..., Environment], tmp_path: Path) -> None:
    given = environment()
    step = next(line for line in unit_lines(given) if "erl_crash.dump" in line)
    assert step.startswith("ExecStartPre=-")
    assert f"ERL_CRASH_DUMP={given.crash_dump_path}" in variables(given)
    command = step.removeprefix("ExecStartPre=-").replace(given.private_path, str(tmp_path))
    for number in range(5):
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        (tmp_path / "erl_crash.dump").write_text(str(number))
    subprocess.run(shlex.split(command), check=True)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"erl_crash.dump.last": "4", "erl_crash.dump.last.before": "3"}


def test_a_port_is_its_users_alone(environment: Callable[..., Environment]) -> None:
    stage = environment()
    ruleset = render("port-owner.nft.j2", environment=stage, nginx_user="www-data")
    assert 'tcp sport { 4001, 20672-20703 } meta skuid != { "root", "billing_stage" } drop' in ruleset
    assert 'tcp dport 20672-20703 meta skuid != { "root", "billing_stage" } drop' in ruleset
    assert 'tcp dport 4001 meta skuid != { "root", "www-data", "billing_stage" } drop' in ruleset
    # The packets that begin a connection pass with a user alone, also PostgreSQL's where it is of the machine.
    for direction in ("sport", "dport"):
        assert f"tcp flags & syn == syn tcp {direction} {{ 4001, 20672-20703, 5432 }} jump known" in ruleset
    elsewhere = render(
        "port-owner.nft.j2", environment=environment(database_managed=False, database_host="db.x"), nginx_user="nginx"
    )
    assert "tcp sport { 4001, 20672-20703 } jump known" in elsewhere
    unit = render("unit.service.j2", environment=stage)
    assert f"ExecStartPre=+-/usr/sbin/nft --file {stage.owner_table_path}\n" in unit
    assert {"User=billing_stage", "Group=billing_stage"} < set(unit.splitlines())


def test_a_former_port_is_passed_to_and_guarded_until_the_restart(environment: Callable[..., Environment]) -> None:
    stage = environment(port=4005)
    values = {"http2_directive": True, "header_timeout": 20, "challenges": "/var/www"}
    before, after = (render("site.j2", environment=stage, former=port, **values) for port in (4001, None))
    servers = [line.strip() for line in before.splitlines() if line.startswith("    server 127")]
    assert servers[:2] == ["server 127.0.0.1:4005 max_fails=0;", "server 127.0.0.1:4001 max_fails=0;"]
    assert "4001" not in after
    table = owner_table(stage, "www-data", 4001)["ruleset"]
    assert "tcp dport { 4005, 4001 } meta skuid" in table
    assert "tcp sport { 4005, 4001, " in table
    assert "dport { 4001, 4005, " in table
    assert "4001" not in owner_table(stage, "www-data")["ruleset"]


def test_a_stand_in_has_a_port_and_a_name_of_its_own(environment: Callable[..., Environment]) -> None:
    stage = environment(node_name="billing@10.0.0.1")
    assert (stage.standin_port, stage.standin_node) == (20_703, "billing-standin@10.0.0.1")
    ruleset = render("port-owner.nft.j2", environment=stage, nginx_user="www-data")
    assert 'tcp dport 20703 meta skuid "www-data" accept' in ruleset
    assert "server 127.0.0.1:4001 max_fails=0;" in site(stage)
    assert "server 127.0.0.1:20703 backup max_fails=0;" in site(stage)
    # An application that must not run twice has none.
    assert "backup" not in site(environment(release_strategy="restart"))


def test_the_limits_hold_for_the_unit_and_its_stand_in_together(environment: Callable[..., Environment]) -> None:
    stage = environment(memory_limit=600, drain_time=45)
    assert {"Slice=system-billing_stage.slice", "TimeoutStopSec=45"} < set(unit_lines(stage))
    [step] = [line for line in unit_lines(stage) if "set-property" in line]
    assert step.startswith(
        "ExecStartPre=+-/usr/bin/systemctl set-property --runtime system-billing_stage.slice MemoryMax=600M "
    )


def test_a_node_has_a_port_mapper_and_ports_of_its_own(environment: Callable[..., Environment]) -> None:
    stage = environment()
    assert "ListenStream=127.0.0.1:20672\n" in render("epmd.socket.j2", environment=stage)
    assert "User=billing_stage\n" in render("epmd.service.j2", environment=stage)
    given = render("variables.j2", environment=stage)
    assert "ERL_EPMD_PORT=20672\n" in given
    assert "inet_dist_listen_min 20673 inet_dist_listen_max 20702" in given
    moved = environment(node_port=21_000)
    assert (moved.epmd_port, moved.node_ports[-1]) == (21_000, 21_031)
    assert all(environment(port=port).node_ports[-1] < 32_768 for port in range(1024, 65_536))


def test_the_login_user_may_open_a_console_and_nothing_else(environment: Callable[..., Environment]) -> None:
    rule = render("sudoers.j2", environment=environment()).splitlines()[1:]
    assert rule == ["billing ALL=(root) NOPASSWD: /usr/local/libexec/billing_stage-switch console"]
    assert 'subject.user == "billing"' in render("polkit.rules.j2", environment=environment())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [("nginx start", 101), ("--quiet nginx status", 101), ("nginx.service restart", 101), ("postgresql start 2", 0)],
)
def test_the_policy_of_a_host_without_ipv6_starts_all_but_nginx(tmp_path: Path, arguments: str, code: int) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(render("policy-rc.d.j2"))
    assert subprocess.run(["sh", policy, *arguments.split()], check=False).returncode == code


def test_no_setting_changes_what_the_zone_of_connections_counts_by(environment: Callable[..., Environment]) -> None:
    """nginx would not reload the site: only a restart would bring the change into force."""
    changes: list[dict[str, Any]] = [
        {},
        {"port": 4777},
        TLS,
        {"address_connections": 7},
        {"trusted_proxies": ["192.0.2.1"]},
    ]
    zones = {
        line
        for settings in changes
        for line in site(environment(**settings)).splitlines()
        if line.startswith(("limit_conn_zone", "map $binary_remote_addr"))
    }
    assert len(zones) == 2
