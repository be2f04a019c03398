"""Sites from a browser's view, and an nginx that never serves an untested site."""

import http.client
import ssl
import warnings
from collections.abc import Iterator

import pytest

from group_data.schema.environment import Environment
from operations.host.rendering import render
from operations.nginx import CHALLENGES, HEADER_TIMEOUT
from tests.host.conftest import BOOKWORM, Host
from tests.host.partial import converge
from tests.host.web import get, tls_connect

STAGE = "stage.billing.example.com"
PROD = "billing.example.com"
CERTIFICATE = "/etc/ssl/private/billing_prod.pem"


@pytest.fixture
def prod(sites: Host) -> Iterator[Host]:
    """For a test that changes prod's site, which is the example's again afterwards."""
    path = sites.project.path / "group_data/prod.py"
    saved = path.read_text()
    yield sites
    path.write_text(saved)
    sites.project.apply().require_success()


def fingerprint(host: Host) -> str:
    return host.machine.run(f"openssl x509 -noout -fingerprint -sha256 -in {CERTIFICATE}").stdout


@pytest.mark.each_release
def test_a_friendly_page_until_a_release_answers(host: Host) -> None:
    answer = get(host.machine.address, STAGE)
    assert answer.status == 502
    assert "Back in a moment" in answer.text
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.each_release
def test_tls_site(host: Host) -> None:
    answer = get(host.machine.address, PROD, tls=True)
    assert answer.status == 502
    assert "x-robots-tag" not in answer.headers
    assert "strict-transport-security" not in answer.headers
    redirect = get(host.machine.address, PROD, "/a?b=c")
    assert (redirect.status, redirect.headers["location"]) == (301, f"https://{PROD}/a?b=c")


@pytest.mark.each_release
def test_tls_versions(host: Host) -> None:
    address = host.machine.address
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls_connect(address, PROD, maximum_version=version, minimum_version=version).close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises(ssl.SSLError):
            tls_connect(address, PROD, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_unknown_names_get_no_answer(host: Host) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(host.machine.address, "unknown.example.org")
    with pytest.raises(ssl.SSLError):
        get(host.machine.address, "unknown.example.org", tls=True)


@pytest.mark.each_release
def test_an_authority_is_answered_for_every_name(host: Host) -> None:
    challenges = f"{CHALLENGES}/.well-known/acme-challenge"
    host.machine.run(f"mkdir -p {challenges} && echo of-root > {challenges}/token")
    try:
        for name in (STAGE, PROD, "not-here-yet.example.com"):
            answer = get(host.machine.address, name, "/.well-known/acme-challenge/token")
            assert (answer.status, answer.text) == (200, "of-root\n")
            assert get(host.machine.address, name, "/.well-known/acme-challenge/other").status == 404
    finally:
        host.machine.run(f"rm -r {CHALLENGES}/.well-known")


def test_a_site_that_fails_its_test_changes_nothing(prod: Host) -> None:
    before = prod.machine.run("cd /etc/nginx && find . -type f -o -type l | sort | xargs sha256sum").stdout
    prod.project.edit(
        "prod", tls="provided", tls_certificate="/etc/ssl/certs/broken.pem", tls_key="/etc/ssl/private/broken.key"
    )
    # Too weak for nginx, and nothing else is wrong with it.
    prod.machine.run(PROVIDE.replace("rsa:2048", "rsa:1024").replace("provided.", "broken."))
    run = prod.project.apply()
    assert run.exit_code == 1
    assert "ee key too small" in run.output
    assert prod.machine.run("cd /etc/nginx && find . -type f -o -type l | sort | xargs sha256sum").stdout == before
    assert prod.machine.run("ls -d /etc/nginx.staging.* 2>/dev/null", check=False).stdout == ""
    assert get(prod.machine.address, PROD, tls=True).status == 502
    assert prod.machine.run("nginx -t -q && systemctl reload nginx").returncode == 0


@pytest.mark.everything
@BOOKWORM
def test_a_certificate_that_is_not_on_the_host_is_refused_before_anything_changes(host: Host) -> None:
    before = host.machine.run("cd /etc/nginx && find . -type f | sort | xargs sha256sum").stdout
    host.machine.run("touch /etc/ssl/private/here.key")
    host.project.edit(
        "prod", tls="provided", tls_certificate="/etc/ssl/certs/missing.pem", tls_key="/etc/ssl/private/here.key"
    )
    host.project.edit("stage", request_body_limit=9)
    for arguments in (["--dry"], ["--yes"]):
        run = host.project.pyinfra("deploy.py", *arguments)
        assert run.exit_code == 1
        assert (
            "/etc/ssl/certs/missing.pem (tls_certificate): no such file on the host of prod. Put it there" in run.output
        )
        assert "Traceback" not in run.output
    host.project.edit("prod", tls="self_signed", tls_certificate=None, tls_key=None)
    host.project.edit("stage", request_body_limit=None)
    assert host.machine.run("cd /etc/nginx && find . -type f | sort | xargs sha256sum").stdout == before
    assert host.project.planned() == {}


PROVIDED = {
    "tls": "provided",
    "tls_certificate": "/etc/ssl/certs/provided.pem",
    "tls_key": "/etc/ssl/private/provided.key",
}
PROVIDE = (
    f"openssl req -x509 -newkey rsa:2048 -noenc -days 90 -subj /CN=provided -addext subjectAltName=DNS:{PROD}"
    " -keyout /etc/ssl/private/provided.key -out /etc/ssl/certs/provided.pem"
)


def test_provided_certificate_and_hsts(prod: Host) -> None:
    prod.machine.run(PROVIDE)
    prod.project.edit("prod", **PROVIDED, hsts=True, hsts_max_age=3600)
    prod.project.apply().require_success()
    answer = get(prod.machine.address, PROD, tls=True)
    assert answer.headers["strict-transport-security"] == "max-age=3600"
    assert prod.project.planned() == {}
    # Somebody else's reload counts, as that of certbot's hook.
    for reload in ("systemctl reload nginx", "nginx -s reload && sleep 1"):
        prod.machine.run(f"touch /etc/ssl/certs/provided.pem && {reload}")
        assert prod.project.planned() == {}
    # A renewed certificate takes effect without anything else having changed.
    prod.machine.run("touch /etc/ssl/certs/provided.pem")
    assert prod.project.applied() == {"Site": ["prod"]}
    assert prod.project.planned() == {}
    # Browsers would refuse the site.
    prod.machine.run(PROVIDE.replace(f"DNS:{PROD}", "DNS:other.example.com"))
    run = prod.project.apply("--dry")
    assert run.exit_code == 1
    assert f"of prod is not for {PROD}: it is for other.example.com" in run.output
    prod.machine.run(PROVIDE)
    prod.project.apply().require_success()
    # Browsers remember: what they were told is taken back before it is no longer said.
    prod.project.edit("prod", hsts=False)
    refused = prod.project.apply()
    assert refused.exit_code == 1
    assert "certificate for 3600 seconds, and they would go on doing so. First apply hsts = True with" in refused.output
    assert get(prod.machine.address, PROD, tls=True).headers["strict-transport-security"] == "max-age=3600"
    prod.project.edit("prod", hsts=True, hsts_max_age=0)
    assert prod.project.applied() == {"Site": ["prod"]}
    assert get(prod.machine.address, PROD, tls=True).headers["strict-transport-security"] == "max-age=0"
    prod.project.edit("prod", hsts=False, hsts_max_age=None)
    assert prod.project.planned() == prod.project.applied() == {"Site": ["prod"]}
    assert "strict-transport-security" not in get(prod.machine.address, PROD, tls=True).headers


@pytest.mark.everything
@BOOKWORM
@pytest.mark.parametrize("tls", ["none", "provided"])
def test_a_self_signed_certificate_goes_with_the_last_site_that_names_it(prod: Host, tls: str) -> None:
    prod.machine.run(PROVIDE)
    prod.project.edit("prod", **(PROVIDED if tls == "provided" else {"tls": "none"}))
    assert converge(prod.project, "prod") == ["Site", "Site: no self-signed certificate"]
    assert prod.machine.run(f"ls {CERTIFICATE}", check=False).returncode == 2
    assert get(prod.machine.address, PROD, tls=tls == "provided").status == 502
    if tls == "none":
        with pytest.raises(ssl.SSLError):
            get(prod.machine.address, PROD, tls=True)


@pytest.mark.everything
@BOOKWORM
def test_a_certificate_somebody_put_where_ours_was_stays(prod: Host) -> None:
    prod.machine.run(f"{PROVIDE}; cat /etc/ssl/private/provided.key /etc/ssl/certs/provided.pem > {CERTIFICATE}")
    prod.project.edit("prod", tls="none")
    assert converge(prod.project, "prod") == ["Site"]
    assert prod.machine.run(f"ls {CERTIFICATE}").returncode == 0


@pytest.mark.everything
@BOOKWORM
def test_a_self_signed_certificate_that_another_site_names_stays(prod: Host) -> None:
    other = "/etc/nginx/sites-enabled/other"
    prod.machine.run(f"echo '# ssl_certificate {CERTIFICATE};' > {other}")
    prod.project.edit("prod", tls="none")
    assert converge(prod.project, "prod") == ["Site"]
    prod.machine.run(f"rm {other}")
    assert converge(prod.project, "prod") == ["Site: no self-signed certificate"]


@BOOKWORM
def test_a_removed_server_name_is_answered_no_more(prod: Host) -> None:
    prod.project.edit("prod", additional_domains=["www.billing.example.com"])
    assert converge(prod.project, "prod") == ["Site: self-signed certificate", "Site"]
    assert get(prod.machine.address, "www.billing.example.com", tls=True).status == 502
    prod.project.edit("prod", additional_domains=None)
    assert converge(prod.project, "prod") == ["Site: self-signed certificate", "Site"]
    with pytest.raises(ssl.SSLError):
        get(prod.machine.address, "www.billing.example.com", tls=True)


@pytest.mark.everything
@BOOKWORM
def test_a_renamed_domain(restored: Host) -> None:
    restored.project.edit("prod", domain="invoices.example.com")
    changes = {
        name: ["prod"]
        for name in (
            "Unit: variables",
            "Release: settings of the switch",
            "Site: page while no release answers",
            "Site: self-signed certificate",
            "Site",
        )
    }
    assert restored.project.planned() == changes
    assert restored.project.applied() == changes
    assert restored.project.planned() == {}
    assert "invoices.example.com is starting" in get(restored.machine.address, "invoices.example.com", tls=True).text
    with pytest.raises(ssl.SSLError):
        get(restored.machine.address, PROD, tls=True)


def test_every_kind_of_setting_comes_into_force_without_a_restart_of_nginx(prod: Host) -> None:
    """Another port too: nginx does not reload a configuration in which a zone counts by another variable."""
    started = prod.machine.run("systemctl show --property ExecMainStartTimestampMonotonic nginx.service").stdout
    for changes in (
        {"port": 4777, "address_connections": 7, "client_timeout": 9, "request_timeout": 80},
        {"address_connections": 0, "trusted_proxies": ["192.0.2.1"], "basic_auth_user": None, "request_body_limit": 3},
        {"port": 4778, "address_connections": 8, "trusted_proxies": None, "allowed_addresses": ["192.0.2.1"]},
    ):
        prod.project.edit("prod", **changes)
        assert prod.project.applied() == {"Site": ["prod"]}
        assert prod.project.planned() == {}
    assert get(prod.machine.address, PROD, tls=True).status == 403
    assert prod.machine.run("systemctl show --property ExecMainStartTimestampMonotonic nginx.service").stdout == started


LONGEST = ".".join(["n" * 63, "a" * 63, "m" * 63, "e" * 61])


def test_server_names_of_any_length_and_number(prod: Host) -> None:
    names = [f"{number:03}{LONGEST[3:]}" for number in range(60)]
    prod.project.edit("prod", tls="none", domain=LONGEST, additional_domains=names)
    assert "Site" in converge(prod.project, "prod")
    assert get(prod.machine.address, LONGEST).status == 502
    assert get(prod.machine.address, names[-1]).status == 502


@pytest.mark.everything
@BOOKWORM
def test_another_teams_length_of_server_names_is_left(prod: Host) -> None:
    theirs = "/etc/nginx/conf.d/theirs.conf"
    prod.machine.run(f"echo 'server_names_hash_bucket_size 128;' > {theirs}")
    assert converge(prod.project, "prod") == ["Machine: server names of any length"]
    prod.machine.run("nginx -t -q")
    prod.machine.run(f"rm {theirs}")
    assert converge(prod.project, "prod") == ["Machine: server names of any length"]


def test_a_site_of_the_longest_name(host: Host) -> None:
    longest = Environment(app="b" * 31, environment="e" * 31, domain="long.example.com", port=4999)
    text = render(
        "site.j2", environment=longest, http2_directive=False, header_timeout=HEADER_TIMEOUT, challenges=CHALLENGES
    )
    site = "/etc/nginx/sites-enabled/longest"
    tested = host.machine.run(f"cat > {site}; nginx -t -q; code=$?; rm {site}; exit $code", stdin=text, check=False)
    assert (tested.returncode, tested.stderr) == (0, "")


def test_self_signed_certificate_is_reissued_when_names_change(prod: Host) -> None:
    before = fingerprint(prod)
    prod.project.edit("prod", additional_domains=["www.billing.example.com"])
    assert prod.project.planned() == {"Site: self-signed certificate": ["prod"], "Site": ["prod"]}
    prod.project.apply().require_success()
    assert fingerprint(prod) != before
    with tls_connect(prod.machine.address, "www.billing.example.com") as connection:
        served = ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")
    names = prod.machine.run("openssl x509 -noout -ext subjectAltName", stdin=served).stdout
    assert "DNS:billing.example.com, DNS:www.billing.example.com" in names


@pytest.mark.parametrize(("days", "reissued"), [(121, True), (122, False)])
def test_self_signed_certificate_is_reissued_in_its_last_third(sites: Host, days: int, reissued: bool) -> None:
    sites.machine.run(
        f"cd /etc/ssl/private && openssl req -x509 -key {CERTIFICATE} -days {days} -subj /O=self-signed"
        f" -addext subjectAltName=DNS:{PROD} > new.crt && openssl pkey -in {CERTIFICATE} > new.key"
        f" && cat new.key new.crt > {CERTIFICATE} && rm new.key new.crt"
    )
    short = fingerprint(sites)
    changes = sites.project.applied()
    assert ("Site: self-signed certificate" in changes) is reissued
    assert (fingerprint(sites) != short) is reissued
    # Either way the file changed, and nginx serves what is on disk.
    assert changes["Site"] == ["prod"]
    assert sites.project.planned() == {}


def test_private_key_is_roots_alone(host: Host) -> None:
    assert host.machine.run(f"stat -c '%U %a' {CERTIFICATE}").stdout == "root 600\n"


def test_a_run_interrupted_before_the_reload_is_mended_by_the_next(sites: Host) -> None:
    sites.machine.run("touch /etc/nginx/sites-available/billing_stage")
    assert sites.project.planned() == {"Site": ["stage"]}
    sites.project.apply().require_success()
    assert sites.project.planned() == {}


@BOOKWORM
def test_a_configuration_that_does_not_come_into_force_is_a_failure(prod: Host) -> None:
    """nginx -t passes over a port that another program has; the running nginx then goes on as it was."""
    machine, project = prod.machine, prod.project
    machine.run("systemd-run --quiet --unit taken --socket-property ListenStream=127.0.0.1:8099 true")
    machine.run("echo 'server { listen 127.0.0.1:8099; }' > /etc/nginx/conf.d/other.conf")
    project.edit("prod", additional_domains=["www.billing.example.com"])
    run = project.apply()
    assert run.exit_code == 1
    assert "nginx goes on with the configuration it had: /var/log/nginx/error.log says why." in run.output
    assert project.planned() == {"Site": ["prod"]}
    machine.run("systemctl stop taken.socket && rm /etc/nginx/conf.d/other.conf")
    assert project.applied() == {"Site": ["prod"]}
    assert get(machine.address, "www.billing.example.com", tls=True).status == 502
    assert project.planned() == {}


@pytest.mark.everything
@BOOKWORM
def test_changes_by_hand_are_undone(sites: Host) -> None:
    site = "/etc/nginx/sites-available/billing_stage"
    for damage in (f"echo '# by hand' >> {site}", "rm /etc/nginx/sites-enabled/billing_stage", f"rm {site}"):
        sites.machine.run(damage)
        assert sites.project.applied("--limit", "stage") == {"Site": ["stage"]}
        assert get(sites.machine.address, STAGE).status == 502
    assert sites.project.planned() == {}


@pytest.mark.everything
@BOOKWORM
def test_a_site_that_gets_our_requests_is_refused_and_named(host: Host) -> None:
    machine, theirs = host.machine, "/etc/nginx/sites-enabled/aaa"
    sites = {
        f"server {{\n listen 80;\n server_name {STAGE};\n}}\n": f"{theirs}:3 on the host has server_name {STAGE} at port 80",
        f"server {{ listen {machine.address}:80; }}\n": f"{theirs}:1 on the host listens on {machine.address}:80",
    }
    host.project.edit("stage", request_body_limit=9)
    for text, message in sites.items():
        machine.run(f"cat > {theirs} && nginx -t -q && systemctl reload nginx", stdin=text)
        for arguments in (["--dry"], ["--yes"]):
            run = host.project.pyinfra("deploy.py", *arguments)
            assert run.exit_code == 1
            assert message in run.output
            assert "Traceback" not in run.output
        for command in ("drift", "doctor", "status"):
            shown = host.project.make(command)
            assert shown.exit_code != 0
            assert message in shown.output, command
    assert "client_max_body_size 9m" not in machine.run("cat /etc/nginx/sites-available/billing_stage").stdout
    machine.run(f"rm {theirs} && systemctl reload nginx")
    host.project.edit("stage", request_body_limit=None)
    assert host.project.planned() == {}


NGINX_ORG = """\
user nginx;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    include /etc/nginx/conf.d/*.conf;
}
"""


@BOOKWORM
@pytest.mark.everything
def test_the_layout_of_nginx_org(host: Host) -> None:
    machine = host.machine
    machine.run("useradd --system nginx; cp -a /etc/nginx/nginx.conf /root; mv /etc/nginx/sites-* /root")
    machine.run(
        "cat > /etc/nginx/nginx.conf; rm -r /etc/nginx/conf.d; umask 077; mkdir /etc/nginx/conf.d", stdin=NGINX_ORG
    )
    machine.run("systemctl restart nginx")
    host.project.apply().require_success()
    assert get(machine.address, STAGE).status == get(machine.address, PROD, tls=True).status == 502
    assert host.project.planned() == {}
    machine.run("sed -i 's#/etc/nginx/conf.d/#vhosts.d/#' /etc/nginx/nginx.conf; systemctl restart nginx")
    host.project.apply().require_success()
    assert get(machine.address, STAGE).status == get(machine.address, PROD, tls=True).status == 502
    read = ["billing_prod.conf", "billing_stage.conf", "default-server.conf", "server-names.conf"]
    assert machine.run("ls /etc/nginx/vhosts.d").stdout.split() == read
    assert host.project.planned() == {}
    machine.run("rm -r /etc/nginx/vhosts.d; cp -a /root/nginx.conf /etc/nginx/")
    host.project.apply().require_success()
    names = ["billing_prod", "billing_stage", "default-server"]
    assert machine.run("ls /etc/nginx/sites-enabled").stdout.split() == names
    assert machine.run("ls /etc/nginx/conf.d").stdout.split() == ["server-names.conf"]
    assert get(machine.address, STAGE).status == get(machine.address, PROD, tls=True).status == 502
    assert host.project.planned() == {}


@pytest.mark.everything
@BOOKWORM
def test_another_teams_default_server_is_left(host: Host) -> None:
    machine = host.machine
    machine.run("rm /etc/nginx/sites-enabled/default-server")
    machine.run(
        "cat > /etc/nginx/conf.d/other.conf && systemctl reload nginx",
        stdin='server { listen 80 default_server; server_name _; return 200 "theirs"; }\n',
    )
    run = host.project.apply().require_success()
    assert "/etc/nginx/conf.d/other.conf already answers unknown names (default_server): left as it is." in run.output
    assert get(machine.address, "unknown.example.org").text == "theirs"
    assert get(machine.address, STAGE).status == 502
    machine.run("rm /etc/nginx/conf.d/other.conf")
    host.project.apply().require_success()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(machine.address, "unknown.example.org")


@pytest.mark.everything
def test_debians_default_site_is_another_teams_once_it_was_edited(host: Host) -> None:
    machine = host.machine
    machine.run("rm /etc/nginx/sites-enabled/default-server && ln -s /etc/nginx/sites-available/default"
                " /etc/nginx/sites-enabled/default && cp -a /etc/nginx/sites-available/default /root/default"
                " && echo '# ours' >> /etc/nginx/sites-available/default")  # fmt: skip
    assert "/etc/nginx/sites-enabled/default already answers" in host.project.apply().require_success().output
    machine.run("cp -a /root/default /etc/nginx/sites-available/default")
    host.project.apply().require_success()
    assert "default\n" not in machine.run("ls /etc/nginx/sites-enabled").stdout
    assert host.project.planned() == {}
