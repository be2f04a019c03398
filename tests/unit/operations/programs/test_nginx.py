"""Sites of nginx: a candidate is tested before it is enabled, and the program waits for the end of a reload."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import nginx_layout, nginx_loaded
from operations.host import program
from operations.nginx_layout import Layout
from operations.site import SUBJECT
from tests.unit.operations.programs.sandboxed import Sandbox

OLD, NEW = "server { listen 80; }\n", "server { listen 8080; }\n"


@pytest.fixture
def nginx(sandbox: Sandbox) -> Path:
    """A directory that stands for /etc/nginx, with one site."""
    place = sandbox.directory / "nginx"
    sandbox.places["/etc/nginx"] = place
    for name in ("sites-available", "sites-enabled", "conf.d"):
        (place / name).mkdir(parents=True)
    (place / "nginx.conf").write_text("http {}\n")
    (place / "sites-available" / "default").write_text("server { listen 80 default_server; }\n")
    (place / "sites-enabled" / "default").symlink_to(place / "sites-available" / "default")
    return place


def install(sandbox: Sandbox, nginx: Path) -> subprocess.CompletedProcess[str]:
    paths = [f"{nginx}/sites-{directory}/billing_prod" for directory in ("available", "enabled")]
    return sandbox.run("install_site.sh", *paths, f"{nginx}/sites-enabled/default", stdin=NEW)


def sites(nginx: Path) -> dict[str, str]:
    """What nginx would read of each enabled site."""
    return {path.name: path.read_text() for path in sorted((nginx / "sites-enabled").iterdir())}


# The copy is the last argument. What nginx would find in it is noted.
TESTED = 'for copy; do :; done\ncat "$copy/sites-available/billing_prod" > tested\nls "$copy/sites-enabled" >> tested'


def test_a_site_is_tested_in_a_copy_and_enabled(sandbox: Sandbox, nginx: Path) -> None:
    sandbox.stub("unshare", TESTED)
    done = install(sandbox, nginx)
    assert (done.returncode, done.stderr) == (0, "")
    assert (sandbox.directory / "tested").read_text() == f"{NEW}billing_prod\n"
    assert sites(nginx) == {"billing_prod": NEW}
    assert (nginx / "sites-available" / "billing_prod").stat().st_mode & 0o777 == 0o644
    assert not list(sandbox.directory.glob("nginx.staging.*"))


def test_a_site_that_nginx_refuses_changes_nothing(sandbox: Sandbox, nginx: Path) -> None:
    (nginx / "sites-available" / "billing_prod").write_text(OLD)
    before = sites(nginx)
    sandbox.stub("unshare", "echo 'nginx: [emerg] unknown directive' >&2\nexit 1")
    done = install(sandbox, nginx)
    assert (done.returncode, done.stderr) == (1, "nginx: [emerg] unknown directive\n")
    assert sites(nginx) == before
    assert (nginx / "sites-available" / "billing_prod").read_text() == OLD
    assert not list(sandbox.directory.glob("nginx.staging.*"))


def test_directories_of_sites_that_are_missing_are_made(sandbox: Sandbox, nginx: Path) -> None:
    shutil.rmtree(nginx / "sites-available")
    shutil.rmtree(nginx / "sites-enabled")
    sandbox.stub("unshare", TESTED)
    before = os.umask(0o077)
    try:
        done = install(sandbox, nginx)
    finally:
        os.umask(before)
    assert (done.returncode, done.stderr, sites(nginx)) == (0, "", {"billing_prod": NEW})
    assert [(nginx / f"sites-{name}").stat().st_mode & 0o777 for name in ("available", "enabled")] == [0o755] * 2


def test_without_links_the_file_itself_is_served(sandbox: Sandbox, nginx: Path) -> None:
    file = str(nginx / "conf.d" / "billing_prod.conf")
    sandbox.stub("unshare", 'for copy; do :; done\ncat "$copy/conf.d/billing_prod.conf" > tested')
    done = sandbox.run("install_site.sh", file, file, stdin=NEW)
    assert (done.returncode, done.stderr) == (0, "")
    assert (sandbox.directory / "tested").read_text() == Path(file).read_text() == NEW
    assert not Path(file).is_symlink()


NOT_INSTALLED = "echo 'Package: nginx\nDepends: {}'"


@pytest.mark.parametrize(
    ("depends", "layout"),
    [("iproute2, nginx-common (>= 1.26)", nginx_layout.DEBIAN), ("libc6, adduser", nginx_layout.NGINX_ORG)],
)
def test_the_layout_of_nginx_before_it_is_installed(sandbox: Sandbox, depends: str, layout: Layout) -> None:
    sandbox.stub("apt-cache", NOT_INSTALLED.format(depends))
    text = program.text("nginx_configuration.sh").replace("command -v nginx", "command -v no-such-nginx")
    done = sandbox.execute(["sh", "-c", text])
    assert nginx_layout.choose(nginx_loaded.read(done.stdout.splitlines())) == layout


def test_the_configuration_is_what_nginx_says(sandbox: Sandbox, nginx: Path) -> None:
    sandbox.stub("nginx", "printf '# configuration file /etc/nginx/nginx.conf:\\n# \\303\\244\\033\\n'")
    assert sandbox.run("nginx_configuration.sh").stdout == "# configuration file /etc/nginx/nginx.conf:\n# ???\n"
    sandbox.stub("nginx", "exit 1")
    assert (
        f"# configuration file {nginx}/sites-enabled/default:\nserver {{"
        in sandbox.run("nginx_configuration.sh").stdout
    )


def test_without_nginxs_word_its_files_are_read_and_no_key(sandbox: Sandbox, nginx: Path) -> None:
    sandbox.stub("nginx", "[ $1 = -V ] || exit 1\necho 'configure arguments: --user=web --group=staff --with-x' >&2")
    (nginx / "nginx.conf").write_text("http { include vhosts.d/*.conf; }\n")
    (nginx / "vhosts.d").mkdir()
    (nginx / "vhosts.d" / "a b.conf").write_text("server { listen 80; server_name a.example.com; }\n")
    (nginx / "vhosts.d" / "key.conf").write_text("-----BEGIN PRIVATE KEY-----\nserverkey\n")
    said = sandbox.run("nginx_configuration.sh").stdout.replace(str(nginx), "/etc/nginx")
    loaded = nginx_loaded.read(said.splitlines())
    assert (loaded.user, [list(server.names) for server in loaded.servers]) == (["web", "staff"], [["a.example.com"]])
    assert "serverkey" not in said
    layout = nginx_layout.choose(loaded)
    assert (layout.loaded("a"), layout.path("a"), layout.user) == (
        "/etc/nginx/vhosts.d/a.conf", "/etc/nginx/sites-available/a", "web",
    )  # fmt: skip


def test_a_site_with_carriage_returns_is_read(sandbox: Sandbox) -> None:
    """From Windows. nginx takes them as spaces."""
    site = "http {\n  server {\n  listen 81;\n  server_name a.example.com;\n }\n}\n".replace("\n", "\r\n")
    file = sandbox.directory / "from-windows"
    file.write_bytes(f"# configuration file /etc/nginx/nginx.conf:\n{site}".encode())
    sandbox.stub("nginx", f"cat {file}")
    [server] = nginx_loaded.read(sandbox.run("nginx_configuration.sh").stdout.splitlines()).servers
    assert (list(server.names), server.listens[0].first) == (["a.example.com"], 81)


@pytest.fixture
def worker(sandbox: Sandbox) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child that calls itself a worker of nginx."""
    master = subprocess.Popen(
        ["bash", "-c", 'exec 3<&0; (exec -a "nginx: worker process" cat <&3) & wait'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert master.stdout
    assert master.stdin
    # It has its name by the time it answers.
    master.stdin.write(b"\n")
    master.stdin.flush()
    master.stdout.readline()
    sandbox.stub("nginx", 'echo "nginx $*" >> calls')
    yield master
    # Its input ends, and so does the child.
    master.stdin.close()
    master.wait(20)
    master.stdout.close()


def reload(sandbox: Sandbox, master: int, at_reload: str, patience: int = 20) -> subprocess.CompletedProcess[str]:
    sandbox.stub("systemctl", f"case $1 in\nshow) echo {master} ;;\nreload) {at_reload} ;;\nesac")
    return sandbox.run("reload_nginx.sh", str(sandbox.directory / "nginx.loaded"), str(patience))


def test_a_reload_is_over_when_the_former_workers_are(sandbox: Sandbox, worker: subprocess.Popen[bytes]) -> None:
    done = reload(sandbox, worker.pid, f"kill $(cat /proc/{worker.pid}/task/{worker.pid}/children)")
    assert (done.returncode, done.stderr) == (0, "")
    assert (sandbox.directory / "nginx.loaded").exists()
    assert not (sandbox.directory / "nginx.loaded.new").exists()
    assert (sandbox.directory / "calls").read_text() == "nginx -t -q\n"


def test_a_reload_that_does_not_come_about_fails(sandbox: Sandbox, worker: subprocess.Popen[bytes]) -> None:
    done = reload(sandbox, worker.pid, ":", patience=1)
    assert (done.returncode, done.stderr) == (
        1,
        "nginx goes on with the configuration it had: /var/log/nginx/error.log says why. Mend that, apply again\n",
    )
    assert not (sandbox.directory / "nginx.loaded").exists()


def test_the_start_of_its_workers_tells_when_nginx_was_reloaded(
    sandbox: Sandbox, worker: subprocess.Popen[bytes]
) -> None:
    before = time.time_ns()
    sandbox.stub("systemctl", f"echo {worker.pid}")
    time.sleep(0.5)
    reloaded = int(sandbox.run("nginx_reloaded.sh").stdout)
    # The kernel counts in hundredths of a second.
    assert before - 300_000_000 < reloaded < before + 100_000_000
    sandbox.stub("systemctl", "echo 0")
    assert sandbox.run("nginx_reloaded.sh").stdout == ""
    # A process without workers.
    sandbox.stub("systemctl", f"echo {os.getpid()}")
    assert sandbox.run("nginx_reloaded.sh").stdout == ""


def test_a_configuration_that_nginx_refuses_is_not_loaded(sandbox: Sandbox) -> None:
    sandbox.stub("nginx", "exit 1")
    assert reload(sandbox, 1, "touch reloaded").returncode == 1
    assert not (sandbox.directory / "reloaded").exists()


def holders(sandbox: Sandbox, process: int, main: int) -> str:
    sandbox.stub("systemctl", f"echo {main}")
    line = f'LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid={process},fd=6),("nginx",pid=2,fd=6))'
    sandbox.stub("ss", f"case $* in *':80'*) echo '{line}' ;; esac")
    return sandbox.run("port_holders.sh", "80", "443").stdout


def test_a_program_that_has_a_port_of_nginx_is_named(sandbox: Sandbox, worker: subprocess.Popen[bytes]) -> None:
    assert holders(sandbox, worker.pid, 0).startswith(f"80\t0.0.0.0:80\t{worker.pid}\tnginx\t")
    assert holders(sandbox, worker.pid, 1).startswith(f"80\t0.0.0.0:80\t{worker.pid}\tnginx\t")


def test_nginx_itself_has_its_ports(sandbox: Sandbox, worker: subprocess.Popen[bytes]) -> None:
    assert holders(sandbox, worker.pid, worker.pid) == ""
    [child] = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert holders(sandbox, int(child), worker.pid) == ""


@pytest.mark.parametrize(("option", "named"), [("-T", False), ("-t", False), ("-g", True)])
def test_an_nginx_that_tests_a_configuration_has_no_port(sandbox: Sandbox, option: str, named: bool) -> None:
    """It opens the ports for a moment, and other facts have one do so at the same time."""
    line = ["bash", "-c", 'exec -a nginx sh -c "sleep 60; true" "$0"', option]
    with subprocess.Popen(line, start_new_session=True) as process:
        try:
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes().startswith(b"nginx"):
                time.sleep(0.01)
            assert bool(holders(sandbox, process.pid, 0)) == named
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert holders(sandbox, process.pid, 0) == ""


SHIPPED = "5b5f5d1c5a2d8a1f0d3f5e6b7c8d9e0f"


def test_files_that_no_package_brought_are_named(sandbox: Sandbox, nginx: Path) -> None:
    sandbox.stub("dpkg-query", f"echo ' {nginx}/sites-available/default {SHIPPED}'")
    files = [str(nginx / "sites-enabled" / "default"), str(nginx / "conf.d" / "b c.conf")]
    Path(files[1]).write_text("    listen [::]:80 default_server;\n")
    assert sandbox.run("edited_files.sh", *files).stdout.splitlines() == files
    digest = subprocess.run(["md5sum", files[0]], capture_output=True, text=True, check=True).stdout.split()[0]
    sandbox.stub("dpkg-query", f"echo ' {nginx}/sites-available/default {digest}'")
    assert sandbox.run("edited_files.sh", *files).stdout.splitlines() == files[1:]


DEBIAN = """user www-data;
include /etc/nginx/modules-enabled/*.conf;

events {
\tworker_connections 768;
\t# multi_accept on;
}
http {}
"""


def raised(sandbox: Sandbox, conf: Path, accepted: str = "true") -> str:
    sandbox.stub("unshare", accepted)
    sandbox.run("raise_nginx_limits.sh", str(conf), "8192", "16384")
    return conf.read_text()


def limits(sandbox: Sandbox, conf: Path) -> str:
    done = sandbox.run("nginx_limits.sh", str(conf))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize(
    "events",
    ["events {\n\tworker_connections 768;\n}", "events { worker_connections 768; }", "events {}", "events\n{\n}"],
)
def test_each_worker_gets_the_connections_and_the_files_for_them(sandbox: Sandbox, nginx: Path, events: str) -> None:
    conf = nginx / "nginx.conf"
    conf.write_text(f"# worker_connections 10;\n{events}\nhttp {{}}\n")
    text = raised(sandbox, conf)
    assert limits(sandbox, conf) == "files 16384\nconnections 8192\n", text
    assert raised(sandbox, conf) == text


def test_higher_limits_of_nginx_stay(sandbox: Sandbox, nginx: Path) -> None:
    conf = nginx / "nginx.conf"
    conf.write_text(f"worker_rlimit_nofile 99999;\n{DEBIAN.replace('768', '20000')}")
    before = conf.read_text()
    assert raised(sandbox, conf) == before


def test_open_files_that_a_module_sets_are_not_set_twice(sandbox: Sandbox, nginx: Path) -> None:
    conf = nginx / "nginx.conf"
    conf.write_text(DEBIAN)
    (nginx / "modules-enabled").mkdir()
    (nginx / "modules-enabled" / "files.conf").write_text("worker_rlimit_nofile 4096;\n")
    assert raised(sandbox, conf) == DEBIAN.replace("768", "8192")
    assert limits(sandbox, conf) == "connections 8192\nfiles -1\n"


def test_limits_that_nginx_refuses_are_not_put_in_place(sandbox: Sandbox, nginx: Path) -> None:
    conf = nginx / "nginx.conf"
    conf.write_text(DEBIAN)
    assert raised(sandbox, conf, accepted="exit 1") == DEBIAN
    assert list(nginx.parent.glob("nginx.staging.*")) == []


def test_nobody_else_reads_the_logs_of_a_site(sandbox: Sandbox) -> None:
    old, new = sandbox.directory / "old.log", sandbox.directory / "new.log"
    old.write_text("kept\n")
    old.chmod(0o644)
    rotated = sandbox.directory / "old.log.1"
    rotated.touch(0o604)
    # The test's user may not give files to others.
    sandbox.stub("install", 'echo "$*" > asked; touch "$8"')
    done = sandbox.run("close_logs.sh", "nginx", str(old), str(new))
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.stat().st_mode & 0o777 for path in (old, new)] == [0o640, 0o640]
    assert rotated.stat().st_mode & 0o777 == 0o600
    assert old.read_text() == "kept\n"
    assert "--mode 640 --owner nginx --group adm" in (sandbox.directory / "asked").read_text()


def test_logs_that_everybody_may_read_are_found_under_every_name(sandbox: Sandbox) -> None:
    logs = {
        "closed": 0o640,
        "open": 0o644,
        "rotated": 0o640,
        "rotated.2.gz": 0o604,
        "closed.1": 0o640,
        "closed2": 0o644,
    }
    for name, mode in logs.items():
        (sandbox.directory / name).touch()
        (sandbox.directory / name).chmod(mode)
    asked = [str(sandbox.directory / name) for name in ("closed", "open", "rotated", "missing")]
    done = sandbox.run("readable_logs.sh", *asked)
    assert (done.returncode, done.stderr, done.stdout.split()) == (0, "", asked[1:])
    (sandbox.directory / "missing").touch(0o640)
    sandbox.run("close_logs.sh", "www-data", *asked)
    assert sandbox.run("readable_logs.sh", *asked).stdout == ""


def unused(sandbox: Sandbox, pem: Path, subject: str = SUBJECT) -> str:
    if not pem.exists():
        sandbox.run("issue_certificate.sh", str(pem), "DNS:example.com", "30", subject)
    done = sandbox.run("unused_certificate.sh", str(pem), "billing_prod", SUBJECT.removeprefix("/"))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_certificate_of_ours_that_nothing_names_is_unused(sandbox: Sandbox, nginx: Path) -> None:
    pem = sandbox.directory / "prod.pem"
    (nginx / "sites-enabled" / "billing_prod").write_text(f"ssl_certificate {pem};\n")
    assert unused(sandbox, pem) == "unused\n"


def test_a_certificate_that_another_site_names_is_used(sandbox: Sandbox, nginx: Path) -> None:
    pem = sandbox.directory / "prod.pem"
    (nginx / "sites-available" / "other").write_text(f"ssl_certificate {pem};\n")
    (nginx / "sites-enabled" / "other").symlink_to(nginx / "sites-available" / "other")
    assert unused(sandbox, pem) == ""


def test_a_certificate_of_somebody_else_is_not_unused(sandbox: Sandbox, nginx: Path) -> None:
    assert nginx.is_dir()
    assert unused(sandbox, sandbox.directory / "prod.pem", "/O=example") == ""
    assert unused(sandbox, Path("/no/such/file")) == ""
