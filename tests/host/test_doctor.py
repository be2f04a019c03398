"""Every finding of the doctor on a host, provoked one at a time: found, explained, and gone after the named command."""

import json
import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.host.conftest import TRIXIE, Host
from tests.host.project import Run
from tests.host.releases import rpc, start, wait_for_page

# What is asked of the host is the same on both releases.
pytestmark = TRIXIE

HOUR = '#!/bin/sh\nexec /usr/bin/date -d "+1 hour" "$@"\n'
OTHER = "0.2.0"
OF_ANOTHER = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=x -addext subjectAltName=DNS:x.example.com"
    " -keyout k.pem -out c.pem 2>/dev/null"
)


# More than the unit's memory_limit. The rpc ends with its node.
MEMORY = """\
sh -c 'set -a; . /etc/default/billing_stage; cd /home/billing/stage/billing
    exec bin/billing rpc ":binary.copy(<<0>>, 900_000_000)"' > /dev/null 2>&1
until [ "$(systemctl show --property NRestarts --value billing_stage)" = 1 ]; do sleep 0.1; done
until systemctl is-active --quiet billing_stage; do sleep 0.1; done
"""


class Case(NamedTuple):
    """Something that goes wrong.

    + provoke: on the host, as root
    + what: the finding; a pattern if it holds a measure
    + why: a piece of its reason
    + mend: what it names
    + make: the targets to mend it with
    + command: or what to do on the host
    + alone: whether nothing else is found
    """

    provoke: str
    what: str | re.Pattern[str]
    why: str
    mend: str
    make: tuple[str, ...] = ()
    command: str = ""
    alone: bool = True


CASES = {
    "stopped": Case(
        "systemctl stop billing_stage",
        "billing_stage.service is inactive", "nobody gets an answer", "make restart ENV=stage", make=("restart",),
    ),
    "memory": Case(
        MEMORY,
        "systemd has restarted billing_stage.service once unasked; the last time, at 20",
        "for lack of memory", "memory_limit = 512 MiB", make=("restart",),
    ),
    "closed ports": Case(
        "nft flush ruleset",
        "the machine does not close 4001 and 4369 to the network", "past nginx", "make apply ENV=stage", make=("apply",),
    ),
    "nginx": Case(
        "systemctl stop nginx",
        "nginx does not run: its unit is inactive", "nobody reaches http://stage.billing.example.com",
        "make apply ENV=stage starts it", make=("apply",),
    ),
    "configuration of nginx": Case(
        "echo 'no such directive;' > /etc/nginx/conf.d/broken.conf",
        'nginx refuses its configuration: unknown directive "no" in /etc/nginx/conf.d/broken.conf:1',
        "does not start again after a reboot", "nginx -t", command="rm /etc/nginx/conf.d/broken.conf",
    ),
    "PostgreSQL": Case(
        "systemctl stop 'postgresql@*'",
        "PostgreSQL's cluster 1", "cannot connect", "make apply ENV=stage starts it", make=("apply",), alone=False,
    ),
    "connections": Case(
        "cd / && runuser -u postgres -- psql -c 'ALTER SYSTEM SET max_connections = 5' && systemctl restart postgresql",
        "PostgreSQL has ", "logins are refused", "raise max_connections",
        command="cd / && runuser -u postgres -- psql -c 'ALTER SYSTEM RESET max_connections';"
        " systemctl restart postgresql",
        alone=False,
    ),
    "read-only": Case(
        "mount --bind /var/lib/billing_stage /var/lib/billing_stage && mount -o remount,ro,bind /var/lib/billing_stage",
        "the file system /var/lib/billing_stage is read-only", "nothing can be written", "mount -o remount,rw",
        command="umount /var/lib/billing_stage",
    ),
    "/run": Case(
        "mount -o remount,size=8M /run; head -c 8M /dev/zero > /run/waste; true",
        "the file system /run has no space left", "nothing can be written", "du -x /run",
        command="rm /run/waste; mount -o remount,size=20% /run",
    ),
    "loopback": Case(
        "nft add table inet closed && nft 'add chain inet closed in { type filter hook input priority -10; }'"
        " && nft add rule inet closed in iif lo tcp dport 20672 drop",
        "the machine does not let its own programs connect to 127.0.0.1:20672", "talk to one another", "nft list ruleset",
        command="nft delete table inet closed",
    ),
    "firewall": Case(
        "nft add table inet closed && nft 'add chain inet closed in { type filter hook input priority -10; }'"
        " && nft add rule inet closed in iif != lo tcp dport 80 drop",
        re.compile(r"from this computer, nothing answers within 5 seconds at [0-9.]+:80; on the host itself stage.billing"),
        "visitors get no answer", "let TCP port 80 in: on the host nft list ruleset", command="nft delete table inet closed",
    ),
    "hangs": Case(
        "kill -STOP $(systemctl show --property MainPID --value billing_stage)",
        "the application takes connections on port 4001 and does not answer them", "504", "make restart ENV=stage",
        command="kill -CONT $(systemctl show --property MainPID --value billing_stage)",
    ),
    "HSTS": Case(
        "sed -i 's/^    server_tokens off;/&\\n    add_header Strict-Transport-Security max-age=7;/' "
        "/etc/nginx/sites-available/billing_stage && systemctl reload nginx",
        "nginx sends another Strict-Transport-Security than the group data says: max-age=7, not none", "taking it back",
        "make apply ENV=stage", make=("apply",),
    ),
    "secret file": Case(
        "sleep 1; touch /var/stage.secret.exs",
        "/var/stage.secret.exs is newer than the running release, which read it when it started",
        "secrets of before", "make restart ENV=stage", make=("restart",),
    ),
    "database password": Case(
        "cd / && runuser -u postgres -- psql -c \"ALTER ROLE billing_stage PASSWORD 'another one'\"",
        "the database does not let billing_stage in with the vault's password", "cannot connect anew",
        "make apply ENV=stage", make=("apply",),
    ),
    "AppSignal's directory": Case(
        "rm -r /home/billing/stage/appsignal",
        "AppSignal's directory /home/billing/stage/appsignal is missing", "agent does not start",
        "make apply ENV=stage, make restart ENV=stage", make=("apply", "restart"),
    ),
    "disk": Case(
        "mount -t tmpfs -o size=1m tmpfs /var/lib/billing_stage; head -c 1000000 /dev/zero > /var/lib/billing_stage/waste",
        "the file system /var/lib/billing_stage is full to", "nothing can be written",
        "du -xh /var/lib/billing_stage", command="rm /var/lib/billing_stage/waste",
    ),
    "clock": Case(
        f"cat > /usr/local/bin/date <<'E'\n{HOUR}E\nchmod +x /usr/local/bin/date",
        re.compile("the host's clock is at least (359[0-9]|3600) seconds ahead of this computer's"), "sessions, tokens",
        "timedatectl set-ntp true", command="rm /usr/local/bin/date",
    ),
    "reboot": Case(
        "touch /run/reboot-required; echo linux-image-6.1.0-99-amd64 > /run/reboot-required.pkgs",
        "the machine waits for a reboot, for linux-image-6.1.0-99-amd64", "for security", "systemctl reboot",
        command="reboot",
    ),
}  # fmt: skip


def doctor(host: Host, environment: str = "stage") -> Run:
    return host.project.run(sys.executable, "-m", "commands.doctor", environment)


def assert_found(host: Host, environment: str, *texts: str | re.Pattern[str], alone: bool = True) -> None:
    run = doctor(host, environment)
    assert run.exit_code == 2, run.output
    patterns = [text if isinstance(text, re.Pattern) else re.escape(text) for text in texts]
    assert [pattern for pattern in patterns if not re.search(pattern, run.output)] == [], run.output
    assert run.output.count("Why:") == 1 or not alone, run.output
    for secret in host.project.secrets(environment).values():
        assert secret not in run.output


def assert_well(host: Host, environment: str = "stage") -> None:
    run = doctor(host, environment)
    assert (run.exit_code, run.output) == (0, f"{environment}: nothing is wrong\n"), run.output


@pytest.fixture(scope="module")
def running(running: Host) -> Host:
    """As everywhere, and with the migrations applied that a release applies."""
    assert_found(
        running, "stage", "a migration of the running release is not applied", "tables", "make migrate ENV=stage"
    )
    for environment in ("stage", "prod"):
        rpc(running.machine, environment, "Billing.Release.migrate()")
    return running


@pytest.fixture
def well(running: Host) -> Iterator[Host]:
    """The machine with both environments serving, before a test and after it."""
    assert_well(running)
    yield running
    running.machine.run("while umount /var/lib/billing_stage 2>/dev/null; do :; done; rm -f /usr/local/bin/date")


def test_nothing_is_wrong(running: Host) -> None:
    run = running.project.make("doctor").require_success()
    assert run.output == "stage: nothing is wrong\nprod: nothing is wrong\n"


@pytest.mark.everything
def test_an_application_that_starts_is_waited_for(well: Host) -> None:
    """One that is held up for longer than a doctor takes to look."""
    well.machine.run(
        "systemctl restart billing_stage; process=$(systemctl show --property MainPID --value billing_stage);"
        " kill -STOP $process; systemd-run --quiet --on-active=4 --timer-property=AccuracySec=100ms kill -CONT $process"
    )
    assert_well(well)


# tests/unit/inspection has each of them; these need a machine most.
ALWAYS = ("stopped",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.everything]) for name in CASES]
)
def test_found_explained_and_gone_after_the_command(well: Host, name: str) -> None:
    case = CASES[name]
    well.machine.run(case.provoke)
    assert_found(well, "stage", case.what, case.why, case.mend, alone=case.alone)
    for target in case.make:
        well.project.make(target, "ENV=stage", "YES=1").require_success()
    if case.command == "reboot":
        well.machine.reboot()
        wait_for_page(well.machine, "stage")
    else:
        well.machine.run(case.command or "true")
    wait_for_page(well.machine, "stage")
    assert_well(well)


@pytest.mark.everything
def test_no_release_begins_that_nobody_could_see(well: Host) -> None:
    machine = well.machine
    machine.run(
        f'cd /home/billing/stage/releases; cp -a "$(readlink -f ../billing)" {OTHER}; '
        f"echo {OTHER} | sha256sum | cut -c 1-64 > {OTHER}/.tarball.sha256"
    )
    state = (
        "readlink /home/billing/stage/billing; systemctl show --property MainPID billing_stage;"
        " ls -lA /home/billing/stage/releases /var/lib/billing_stage"
    )
    before = machine.run(state).stdout
    machine.run("systemctl stop nginx")
    try:
        for target, *options in (("restart",), ("rollback", f"VERSION={OTHER}"), ("release", f"VERSION={OTHER}")):
            run = well.project.make(target, "ENV=stage", "YES=1", *options)
            # make's own, when a command fails.
            assert run.exit_code == 2, run.output
            assert "stage: nginx does not run: its unit is inactive. Mend: make apply ENV=stage starts it" in run.output
            assert "Nothing was changed" in run.output
        assert machine.run(state).stdout == before
        well.project.make("apply", "ENV=stage", "YES=1").require_success()
        assert_well(well)
    finally:
        machine.run(f"systemctl start nginx; rm -r /home/billing/stage/releases/{OTHER}")


@pytest.mark.everything
def test_a_cookie_that_was_changed_in_the_vault_alone(well: Host) -> None:
    well.project.set_secrets("stage", cookie="another-cookie-than-before")
    assert_found(well, "stage", "the cookie in use is not the vault's", "a shell in the node", "make apply ENV=stage")
    well.project.make("apply", "ENV=stage", "YES=1").require_success()
    wait_for_page(well.machine, "stage")
    assert_well(well)


@pytest.mark.everything
def test_a_node_with_another_cookie_than_its_file(well: Host) -> None:
    """As after an apply by hand, without the restart."""
    well.machine.run("echo -n a-cookie-of-20-letters-or-more > /home/billing/stage/private/.erlang.cookie")
    run = doctor(well)
    assert (run.exit_code, "the node billing_stage@127.0.0.1 does not answer" in run.output) == (2, True), run.output
    well.project.make("apply", "ENV=stage", "YES=1").require_success()
    wait_for_page(well.machine, "stage")
    assert_well(well)


@pytest.mark.everything
def test_a_certificate_for_another_name(well: Host) -> None:
    well.machine.run(
        f"cd /root && {OF_ANOTHER} && cat k.pem c.pem > /etc/ssl/private/billing_prod.pem && rm k.pem c.pem"
    )
    assert_found(
        well, "prod", "billing_prod.pem is not for billing.example.com: it is for x.example.com", "make apply ENV=prod"
    )
    well.project.make("apply", "ENV=prod", "YES=1").require_success()
    assert_well(well, "prod")


@pytest.mark.everything
def test_a_parent_domain_that_claims_its_subdomains(well: Host) -> None:
    """Over a connection browsers accept: "Your connection is not private", for a site without TLS."""
    machine = well.machine
    machine.run(f"cat > /root/ca.sh <<'E'\n{AUTHORITY}E\nbash /root/ca.sh")
    machine.run(f"cat > /etc/nginx/sites-enabled/parent <<'E'\n{PARENT}E\nnginx -t && systemctl reload nginx")
    machine.run("echo 127.0.0.1 example.com >> /etc/hosts")
    try:
        assert_found(
            well, "stage", "example.com sends Strict-Transport-Security: max-age=31536000; includeSubDomains",
            "Your connection is not private", "tls = 'provided'",
        )  # fmt: skip
        well.project.edit("stage", tls="provided", tls_certificate="/etc/ssl/stage.pem", tls_key="/etc/ssl/stage.key")
        well.project.make("apply", "ENV=stage", "YES=1").require_success()
        assert_well(well)
    finally:
        well.project.edit("stage", tls="none", tls_certificate=None, tls_key=None)
        machine.run("rm /etc/nginx/sites-enabled/parent; sed -i '/ example.com$/d' /etc/hosts")
        well.project.make("apply", "ENV=stage", "YES=1").require_success()


AUTHORITY = """\
set -eu
cd /etc/ssl
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=authority -keyout ca.key -out ca.pem 2>/dev/null
for name in example.com:parent stage.billing.example.com:stage; do
    file=${name#*:}
    openssl req -newkey rsa:2048 -nodes -subj /CN=x -keyout $file.key -out $file.csr 2>/dev/null
    openssl x509 -req -in $file.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 29 -out $file.pem \\
        -extfile <(echo subjectAltName=DNS:${name%:*}) 2>/dev/null
done
cp ca.pem /usr/local/share/ca-certificates/authority.crt
update-ca-certificates >/dev/null 2>&1
"""

PARENT = """\
server {
    listen 443 ssl;
    server_name example.com;
    ssl_certificate /etc/ssl/parent.pem;
    ssl_certificate_key /etc/ssl/parent.key;
    add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
    return 200;
}

"""


@pytest.mark.everything
def test_as_json(running: Host) -> None:
    running.machine.run("systemctl stop billing_stage")
    run = running.project.run(sys.executable, "-m", "commands.doctor", "--json")
    drift = running.project.run(sys.executable, "-m", "commands.drift", "stage")
    plan = running.project.make("plan", "ENV=stage").require_success()
    start(running.machine, "stage")
    says = "billing_stage.service is stopped"
    assert (drift.exit_code, f"stage: {says}: make restart ENV=stage starts it" in drift.output) == (2, True)
    assert f"{says}, and apply does not start it" in plan.output
    assert run.exit_code == 2
    found = json.loads(run.output)
    assert (list(found), found["prod"]) == (["stage", "prod"], [])
    assert found["stage"][0]["what"] == "billing_stage.service is inactive"
    assert set(found["stage"][0]) == {"what", "why", "mend"}


def test_an_unreachable_host_is_no_finding(running: Host) -> None:
    with running.project.moved("prod", ssh_port=1):
        run = doctor(running, "prod")
    assert (run.exit_code, "Traceback" in run.output) == (1, False), run.output
