"""Sites of others that get the requests for an environment's site, as nginx's own output shows them."""

from collections.abc import Callable, Mapping

import pytest
from pyinfra.api.exceptions import DeployError

from group_data.schema.environment import Environment
from operations import nginx_layout, nginx_loaded, site_owners
from operations.nginx_loaded import Loaded

DEBIAN = """user www-data;
include /etc/nginx/modules-enabled/*.conf;
http {
    include mime.types;
    log_format main '$remote_addr "$request" {'; # a bracket in a text
    include /etc/nginx/conf.d/*.conf;
    include /etc/nginx/sites-enabled/*;
}
"""
NGINX_ORG = "user nginx;\nhttp {\n    include /etc/nginx/conf.d/*.conf;\n}\n"
OURS = "server {\n listen 80;\n listen [::]:80;\n server_name stage.example.com;\n}\n"
ADDRESSES = ["127.0.0.1", "203.0.113.5", "2001:db8::5"]


def loaded(files: Mapping[str, str], main: str = DEBIAN) -> Loaded:
    """The configuration of a machine with these further files below /etc/nginx."""
    texts = {"nginx.conf": main, "sites-enabled/billing_stage": OURS} | dict(files)
    lines = "\n".join(f"# configuration file /etc/nginx/{name}:\n{text}" for name, text in texts.items())
    return nginx_loaded.read(["nginx: noise", *lines.splitlines()])


@pytest.fixture
def stage(environment: Callable[..., Environment]) -> Environment:
    return environment(tls="none", domain="stage.example.com")


@pytest.fixture
def secure(environment: Callable[..., Environment]) -> Environment:
    return environment(tls="self_signed", domain="stage.example.com", additional_domains=["www.stage.example.com"])


def found(environment: Environment, text: str, file: str = "sites-enabled/aaa") -> list[str]:
    """The faults that another site is."""
    obstacles = site_owners.obstacles(environment, loaded({file: text}), ADDRESSES)
    assert {obstacle.kind for obstacle in obstacles} <= {"taken"}
    return [obstacle.what for obstacle in obstacles]


def test_nothing_takes_the_requests_of_a_site(stage: Environment) -> None:
    assert site_owners.obstacles(stage, loaded({}), ADDRESSES) == []


@pytest.mark.parametrize(
    "text",
    [
        "server {\n listen 80;\n server_name stage.example.com;\n}",
        "server {\n listen *:80;\n server_name a.example.com\n   STAGE.example.com;\n}",
        "server {\n listen [::]:80;\n server_name .stage.example.com;\n}",
        "server {\n listen 0.0.0.0:80 reuseport;\n server_name 'stage.example.com';\n}",
        "server {\n listen 70-90;\n server_name stage.example.com;\n}",
        "server {\n # nginx's own port\n server_name stage.example.com; }",
        "map $a $b { default \"}\"; }\nserver { location / { return 200 '{'; }\nserver_name stage.example.com; }",
    ],
)
def test_a_site_with_the_same_name(stage: Environment, text: str) -> None:
    [what] = found(stage, text)
    assert what.startswith("/etc/nginx/sites-enabled/aaa:")
    assert "has server_name stage.example.com at port 80, as the site of stage has" in what


@pytest.mark.parametrize(
    ("name", "same"),
    [("*.example.com", True), (".example.com", True), ("www.example.com", False), ("*.stage.example.com", False)],
)
def test_a_site_with_the_same_wildcard(environment: Callable[..., Environment], name: str, *, same: bool) -> None:
    # nginx prefers a name without a star, so a site that has one takes nothing that is ours.
    stage = environment(
        tls="provided", tls_certificate="/a", tls_key="/b", additional_domains=["*.example.com"], domain="example.org"
    )
    whats = found(stage, f"server {{ listen 80; server_name {name}; }}")
    assert ["has server_name *.example.com at port 80" in what for what in whats] == [True] * same


def test_the_place_is_the_line_of_the_name(stage: Environment) -> None:
    [what] = found(stage, "# comment {\n\nserver {\n listen 80;\n server_name\n  stage.example.com;\n}")
    assert what.startswith("/etc/nginx/sites-enabled/aaa:5 on the host has")


@pytest.mark.parametrize(
    "text",
    [
        "server { listen 80; server_name other.example.com; }",
        "server { listen 8080; server_name stage.example.com; }",
        "server { listen unix:/run/a.sock; server_name stage.example.com; }",
        "server { listen 80 default_server; server_name _; }",
        "server { listen 80; server_name *.example.com ~^stage; }",
        "# server { listen 80; server_name stage.example.com; }",
        "server { listen 203.0.113.5:8080; }",
        "server { listen 10.8.0.1:80; }",
        "server { listen 443 ssl; server_name stage.example.com; }",
        "server { listen 127.0.0.1:8080; location /status { stub_status; } }",
    ],
)
def test_a_site_beside_it(stage: Environment, text: str) -> None:
    assert found(stage, text) == []


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("203.0.113.5:80", "203.0.113.5:80"),
        ("203.0.113.5", "203.0.113.5:80"),
        ("[2001:db8::5]:80 ipv6only=on", "[2001:db8::5]:80"),
        ("[2001:db8::5]", "[2001:db8::5]:80"),
        ("localhost:80", "127.0.0.1:80"),
        ("203.0.113.5:79-81", "203.0.113.5:80"),
    ],
)
def test_a_site_with_an_address_of_its_own(stage: Environment, listen: str, address: str) -> None:
    [what] = found(stage, f"server {{\n listen {listen};\n server_name other.example.com;\n}}")
    assert what == f"/etc/nginx/sites-enabled/aaa:2 on the host listens on {address}, an address of its own"


@pytest.mark.parametrize("listen", ["[2001:DB8::5]:80", "[2001:0db8:0:0:0:0:0:5]:80", "[2001:db8:0::5]"])
def test_every_spelling_of_an_address_counts(stage: Environment, listen: str) -> None:
    [what] = found(stage, f"server {{ listen {listen}; server_name other.example.com; }}")
    assert "listens on [2001:db8::5]:80" in what


def test_every_spelling_of_all_addresses_counts(stage: Environment) -> None:
    [what] = found(stage, "server { listen [0:0:0:0:0:0:0:0]:80; server_name stage.example.com; }")
    assert "has server_name stage.example.com" in what


def test_any_address_counts_where_nobody_can_tell(stage: Environment) -> None:
    others = loaded({"sites-enabled/aaa": "server { listen 10.8.0.1:80; }"})
    assert len(site_owners.obstacles(stage, others, [])) == 1


def test_both_ports_of_a_site_with_tls(secure: Environment) -> None:
    assert len(found(secure, "server { listen 443 ssl; server_name www.stage.example.com; }")) == 1
    assert len(found(secure, "server { listen 80; server_name stage.example.com; }")) == 1
    assert len(found(secure, "server { listen 203.0.113.5:443 ssl; listen 203.0.113.5:80; }")) == 2


def test_included_lines_are_named_by_their_own_file(stage: Environment) -> None:
    files = {
        "sites-enabled/aaa": "server {\n include snippets/name.conf;\n}",
        "snippets/name.conf": "listen 80;\nserver_name stage.example.com;\n",
    }
    [obstacle] = site_owners.obstacles(stage, loaded(files), ADDRESSES)
    assert obstacle.what.startswith("/etc/nginx/snippets/name.conf:2 ")
    assert "remove that file from there" in obstacle.mend
    assert "/etc/nginx/sites-enabled/aaa on the host" in obstacle.mend


def test_a_stream_takes_the_port(secure: Environment) -> None:
    main = f"{DEBIAN}stream {{ server {{ listen 203.0.113.5:443; proxy_pass 10.0.0.2:443; }} }}\n"
    [obstacle] = site_owners.obstacles(secure, loaded({}, main), ADDRESSES)
    assert "/etc/nginx/nginx.conf:9 on the host listens on 203.0.113.5:443" in obstacle.what


def test_files_that_include_each_other_end(stage: Environment) -> None:
    loaded({"sites-enabled/a": "include /etc/nginx/sites-enabled/a;", "nginx.conf": f"include nginx.conf;\n{DEBIAN}"})
    assert found(stage, "server { " * 40) == []


def test_layouts() -> None:
    assert nginx_layout.choose(loaded({})) == nginx_layout.DEBIAN
    assert nginx_layout.choose(nginx_loaded.read([])) == nginx_layout.DEBIAN
    nginx_org = nginx_layout.choose(loaded({}, NGINX_ORG))
    assert nginx_org == nginx_layout.NGINX_ORG
    assert (
        nginx_org.path("billing_stage") == nginx_org.loaded("billing_stage") == "/etc/nginx/conf.d/billing_stage.conf"
    )
    own = nginx_layout.choose(loaded({}, DEBIAN.replace("www-data", "web staff")))
    assert (own.user, own.group, own.loaded("a")) == ("web", "staff", "/etc/nginx/sites-enabled/a")
    nested = loaded({"http.conf": "include conf.d/*.conf;"}, "http { include http.conf; }")
    assert nginx_layout.choose(nested).user == "nginx"


@pytest.mark.parametrize(
    ("included", "file"),
    [
        ("sites-enabled/*.conf", "sites-enabled/a.conf"),
        ("/etc/nginx/vhosts.d/*.conf", "vhosts.d/a.conf"),
        ("'vhosts.d/*'", "vhosts.d/a"),
        ("conf.d/sites/*.vhost", "conf.d/sites/a.vhost"),
        ("hosts/site-*.conf", "hosts/site-a.conf"),
        ("other.conf; include /srv/*.conf; include /etc/nginx/hosts/*/*.conf; include b/*.conf", "b/a.conf"),
        ("maps/*.conf; include vhosts/*.conf", "vhosts/a.conf"),
    ],
)
def test_a_directory_of_its_own(stage: Environment, included: str, file: str) -> None:
    main = f"user web;\nhttp {{ include {included}; }}\n"
    theirs = {"vhosts/theirs.conf": "server { listen 80; server_name other.example.com; }"}
    layout = nginx_layout.choose(loaded(theirs, main))
    assert (layout.loaded("a"), layout.path("a")) == (f"/etc/nginx/{file}", "/etc/nginx/sites-available/a")
    assert (layout.user, layout.group) == ("web", "web")
    # Our own site there is nobody else's.
    own = layout.loaded("billing_stage").removeprefix("/etc/nginx/")
    assert site_owners.obstacles(stage, loaded(theirs | {own: OURS}, main), ADDRESSES) == []
    assert nginx_layout.beside_sites(loaded(theirs, main), "/etc/nginx/conf.d/names.conf") == layout.loaded("names")


def test_settings_of_all_sites_are_beside_them_only_where_conf_d_is_not_read() -> None:
    path = "/etc/nginx/conf.d/names.conf"
    for text in ([], DEBIAN.splitlines(), NGINX_ORG.splitlines()):
        configuration = nginx_loaded.read(["# configuration file /etc/nginx/nginx.conf:", *text] if text else [])
        assert nginx_layout.beside_sites(configuration, path) == path


@pytest.mark.parametrize(
    "main", ["http {}\n", "http { include a.conf; include /srv/*; include a/[a-z]*; include */b; }"]
)
def test_a_machine_whose_nginx_reads_no_directory_of_sites(main: str) -> None:
    with pytest.raises(DeployError, match="reads its sites from no directory below /etc/nginx"):
        nginx_layout.choose(loaded({}, main))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "listen 80 proxy_protocol;",
            "/etc/nginx/sites-enabled/aaa:1 on the host listens on port 80 with proxy_protocol",
        ),
        ("listen [::]:80 ipv6only=off;", "listens on [::]:80 with ipv6only=off, which takes the port for IPv4 as well"),
        ("listen 80 ssl;", "listens on port 80 with ssl"),
    ],
)
def test_a_line_that_changes_a_port_for_every_site(stage: Environment, text: str, said: str) -> None:
    [what] = found(stage, f"server {{ {text} server_name other.example.com; }}")
    assert what.endswith(said)


def test_a_stream_takes_the_port_from_all_sites(secure: Environment) -> None:
    main = f"{DEBIAN}stream {{ server {{ listen 443; proxy_pass 10.0.0.2:443; }} }}\n"
    [obstacle] = site_owners.obstacles(secure, loaded({}, main), ADDRESSES)
    assert "/etc/nginx/nginx.conf:9 on the host listens on port 443 in the block stream" in obstacle.what


def test_a_stream_by_udp_takes_nothing(secure: Environment) -> None:
    main = f"{DEBIAN}stream {{ server {{ listen 443 udp; proxy_pass 10.0.0.2:443; }} }}\n"
    assert site_owners.obstacles(secure, loaded({}, main), ADDRESSES) == []


def test_names_in_place_of_addresses_are_looked_up(stage: Environment) -> None:
    theirs = loaded({"sites-enabled/aaa": "server { listen Web.example.com:80; listen unix:/a; listen 10.0.0.9; }"})
    assert nginx_loaded.listen_names(theirs) == ["web.example.com"]
    for addresses, count in ((["10.8.0.1", "203.0.113.5"], 1), (["10.8.0.1"], 0), (["2001:0DB8::5"], 1)):
        resolved = nginx_loaded.with_addresses(theirs, {"web.example.com": addresses})
        assert len(site_owners.obstacles(stage, resolved, ADDRESSES)) == count


def test_the_servers_that_answer_unknown_names() -> None:
    def is_default(listen: str) -> bool:
        return loaded({"conf.d/a.conf": f"server {{ {listen} }}"}).servers[0].is_default

    assert is_default("listen 80 default_server;")
    assert is_default("listen [::]:443 ssl default_server;")
    assert not is_default("listen 80;")
    assert not is_default("listen 8080 default_server;")
    assert not is_default("listen 10.0.0.1:80 default_server;")


def test_the_files_that_size_the_hash_of_names() -> None:
    setting = "server_names_hash_bucket_size 128;"
    theirs = loaded({"conf.d/a.conf": setting, "conf.d/b.conf": f"# {setting}", "old/c.conf": setting})
    assert theirs.names_hash == ["/etc/nginx/conf.d/a.conf"]


def test_a_program_that_has_a_port_of_nginx(stage: Environment) -> None:
    holders = [["80", "*:80", "7", "apache2", "apache2.service"], ["443", "0.0.0.0:443", "9", "openvpn", ""]]
    apache, vpn = site_owners.held(stage, holders)
    assert (
        apache.what == "apache2 (process 7 of apache2.service) listens on *:80 on the host, and nginx needs that port"
    )
    assert apache.mend.startswith("end it: systemctl disable --now apache2.service;")
    assert vpn.what.startswith("openvpn (process 9) listens on 0.0.0.0:443")
    assert vpn.mend.startswith("end it: kill 9;")
    others = [["443", "*:443", "1", "systemd", "init.scope"], ["443", "*:443", "5", "sshd", "ssh.service"]]
    assert all(
        "disable --now" not in other.mend and "kill" not in other.mend for other in site_owners.held(stage, others)
    )
