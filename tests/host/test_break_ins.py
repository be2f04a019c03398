"""Attacks on prod by stage, and by whoever takes its port. Each has a control that shows the attack at work.

The application of stage is whoever controls it: `in_unit` runs a command as the application itself.
"""

import shlex

import pytest

from operations.host import program
from tests.host.conftest import Host
from tests.host.releases import in_unit, main_pid, rpc, wait_for_page
from tests.sandbox.machine import Machine

ROOT = "/home/billing/stage"
PROD_SECRETS = ("/var/prod.secret.exs", "/home/billing/prod/private/.erlang.cookie")

# A release of an attacker's own making: whatever is asked of it, it says who it is and what it reads.
EVIL = """\
#!/bin/sh
id -un
cat /var/prod.secret.exs /home/billing/prod/private/.erlang.cookie 2> /dev/null
exit 0
"""

# An impostor in the place of the application: it answers every request with a word.
IMPOSTOR = """\
use Socket;
socket my $server, PF_INET, SOCK_STREAM, 0 or die;
setsockopt $server, SOL_SOCKET, SO_REUSEADDR, 1;
bind $server, pack_sockaddr_in($ARGV[0], INADDR_LOOPBACK) or die;
listen $server, $ARGV[1] or die;
while (accept my $client, $server) {
    # A request that nobody reads would take the answer with it.
    sysread $client, my $request, 4096;
    syswrite $client, "HTTP/1.0 200 OK\\r\\n\\r\\nimpostor";
    close $client;
}
"""

ASK = "curl --silent --max-time 3 --noproxy '*' --header 'Host: billing.example.com' http://127.0.0.1:{}/"


def command(environment: str, *arguments: str, unit: str = "") -> str:
    """The shell command by which an operator asks a running release, as `make rpc` does."""
    places = [unit or f"/etc/systemd/system/billing_{environment}.service", f"/home/billing/{environment}/billing"]
    return shlex.join(program.words("release_command.sh", *places, "bin/billing", "30", "", *arguments))


def test_no_environment_shares_a_user(running: Host) -> None:
    users = {
        name: running.machine.run(f"stat --format %U /proc/{main_pid(running.machine, name)}").stdout.strip()
        for name in ("stage", "prod")
    }
    assert users == {"stage": "billing_stage", "prod": "billing_prod"}
    for user in users.values():
        assert running.machine.run(f"getent passwd {user}").stdout.strip().endswith(":/usr/sbin/nologin")


@pytest.mark.parametrize("path", PROD_SECRETS)
def test_neither_stage_nor_the_login_user_reads_prods_secrets(running: Host, path: str) -> None:
    """Also outside the sandbox: the user itself has no right to. Root has, which is the control."""
    machine = running.machine
    assert machine.run(f"cat {path}").stdout
    for user in ("billing", "billing_stage"):
        line = f"setpriv --reuid {user} --regid {user} --init-groups cat {path}"
        assert machine.run(line, check=False).returncode != 0
    line = "setpriv --reuid billing_prod --regid billing_prod --init-groups cat /var/prod.secret.exs"
    assert machine.run(line).stdout


def test_the_login_user_reads_no_secret_of_stage(running: Host) -> None:
    machine = running.machine
    pid = main_pid(machine, "stage")
    for path in ("/var/stage.secret.exs", f"{ROOT}/private/.erlang.cookie", f"/proc/{pid}/environ"):
        assert machine.run(f"cat {path}").stdout
        assert machine.run(f"cat {path}", user="billing", check=False).returncode != 0


def test_stage_cannot_lead_operators_to_a_release_of_its_own(running: Host) -> None:
    machine = running.machine
    attack = f"mkdir -p {ROOT}/private/evil/bin; ln -sfn private/evil {ROOT}/billing"
    before = machine.run(f"readlink {ROOT}/billing").stdout
    code, said = in_unit(machine, "stage", attack)
    assert (code, machine.run(f"readlink {ROOT}/billing").stdout) == (1, before), said
    # The control: with the directory as it was once, the link is the attacker's, and a command runs what it names.
    machine.run(f"chown billing_stage {ROOT}")
    try:
        assert in_unit(machine, "stage", attack)[0] == 0
        machine.run(f"cat > {ROOT}/private/evil/bin/billing && chmod 755 {ROOT}/private/evil/bin/billing", stdin=EVIL)
        machine.run(f"chown -R billing_stage: {ROOT}/private/evil")
        said = machine.run(command("stage", "version")).stdout
        # And even then it runs in stage's sandbox, and reads nothing of prod. As root it would.
        assert said == "billing_stage\n"
        assert "billing" in machine.run(f"{ROOT}/private/evil/bin/billing").stdout.partition("root\n")[2]
    finally:
        machine.run(f"ln -sfn {before.strip()} {ROOT}/billing; rm -r {ROOT}/private/evil; chown root {ROOT}")
    assert rpc(machine, "stage", "IO.puts(:here)") == "here\n"


def test_a_node_that_runs_code_in_the_operators_client_stays_in_its_sandbox(running: Host) -> None:
    """Erlang distribution is symmetric: the node that is asked runs `os:cmd` in the VM that asks."""
    machine = running.machine
    attack = (
        "client = hd(Node.list(:connected)); "
        'IO.puts(:erpc.call(client, :os, :cmd, [~c"id -un; cat /var/prod.secret.exs; ls /home/billing"]))'
    )
    said = machine.run(command("stage", "rpc", attack)).stdout.splitlines()
    assert said[0] == "billing_stage"
    assert "No such file" in said[1] or "Permission denied" in said[1]
    assert said[2:3] == ["stage"]
    # The control: outside the sandbox and as a user that may, the client reads it.
    unit = "/root/open.service"
    machine.run(f"printf '[Service]\\nUser=root\\nEnvironmentFile=/etc/default/billing_stage\\n[Install]\\n' > {unit}")
    said = machine.run(command("stage", "rpc", attack, unit=unit)).stdout.splitlines()
    machine.run(f"rm {unit}")
    assert said[0] == "root"
    assert any("config :billing" in line for line in said)


def test_stage_cannot_turn_its_directory_into_prods(running: Host) -> None:
    """Apply writes the cookie in the sandbox, so a link in its directory leads to nothing but stage's own."""
    machine, project = running.machine, running.project
    cookies = {name: f"/home/billing/{name}/private/.erlang.cookie" for name in ("stage", "prod")}
    prods = machine.run(f"cat {cookies['prod']}").stdout
    attack = f"cd {ROOT} && mv private private.away && ln -s /home/billing/prod/private private"
    assert in_unit(machine, "stage", attack)[0] != 0
    # What is left to it: a link in its own directory.
    assert in_unit(machine, "stage", f"ln -sf {cookies['prod']} {cookies['stage']}")[0] == 0
    project.apply("--limit", "stage").require_success()
    assert machine.run(f"cat {cookies['prod']}").stdout == prods
    assert machine.run(f"stat --format '%F %U' {cookies['stage']}").stdout == "regular file billing_stage\n"
    # The control: root would have followed it.
    in_unit(machine, "stage", f"ln -sfn /var/lib/billing_prod {ROOT}/private/away")
    machine.run(f"echo x > {ROOT}/private/away/written && test -e /var/lib/billing_prod/written")
    machine.run(f"rm /var/lib/billing_prod/written {ROOT}/private/away")


# Puts links to prod's files and directories in the place of its own, and takes them away again, without an end.
FLIP = """\
my %led = (
    ".erlang.cookie" => "/home/billing/prod/private/.erlang.cookie",
    "erl_crash.dump" => "/var/prod.secret.exs",
    "tmp" => "/home/billing/prod/private",
    "var" => "/var/lib/billing_prod",
);
chdir $ARGV[0];
while (1) {
    for my $name (keys %led) {
        rename $name, "$name.own";
        symlink $led{$name}, $name;
        unlink $name;
        rename "$name.own", $name;
    }
}
"""


@pytest.mark.everything
def test_links_that_come_and_go_lead_no_step_to_prod(running: Host) -> None:
    machine, project = running.machine, running.project
    prods = (
        "find /home/billing/prod /var/lib/billing_prod /var/prod.secret.exs -printf '%p %u:%g %m\\n' | sort; "
        "sha256sum /var/prod.secret.exs /home/billing/prod/private/.erlang.cookie"
    )
    before = machine.run(prods).stdout
    loop = f"(perl -e {shlex.quote(FLIP)} {ROOT}/private > /dev/null 2>&1 &)"
    assert in_unit(machine, "stage", loop)[0] == 0
    for command in ("doctor", "status"):
        project.make(command, "ENV=stage")
    for _ in range(3):
        # It may fail, as it may when the application removes its own files.
        project.apply("--limit", "stage")
    assert machine.run(prods).stdout == before
    machine.run("systemctl restart billing_stage")
    machine.run(f"rm -f {ROOT}/private/erl_crash.dump*")
    project.apply("--limit", "stage").require_success()
    wait_for_page(machine, "stage")


def _impostor(machine: Machine, user: str, queue: int = 5) -> None:
    run = f"systemd-run --quiet --unit impostor --uid {user} perl -e {shlex.quote(IMPOSTOR)} 4000 {queue}"
    machine.run(f"{run} && until ss -ltn | grep -q 127.0.0.1:4000; do sleep 0.1; done", timeout=20)


def test_nobody_else_answers_at_prods_port(running: Host) -> None:
    machine = running.machine
    machine.run("systemctl stop billing_prod")
    try:
        _impostor(machine, "billing_stage")
        assert "impostor" not in machine.run(ASK.format(4000), check=False).stdout
        # The control: without the table of the port it is heard.
        machine.run("nft delete table inet deploy_owner_billing_prod")
        # It closes before curl has sent everything, which curl may complain about.
        assert machine.run(ASK.format(4000), check=False).stdout == "impostor"
    finally:
        machine.run("systemctl stop impostor; systemctl start billing_prod")
    assert "deploy_owner_billing_prod" in machine.run("nft list tables").stdout


# Requests that fill the queue of a listener, and then one more.
ASK_OFTEN = f"for i in 1 2 3; do {ASK.format(4000)} > /dev/null & done; sleep 0.5; {ASK.format(4000)}; wait"


def test_no_listener_with_a_full_queue_answers_there_either(running: Host) -> None:
    """The kernel answers for it with SYN cookies, which are packets of no user; so are those of a closed connection."""
    machine = running.machine
    machine.run("systemctl stop billing_prod")
    try:
        _impostor(machine, "billing_stage", queue=0)
        assert machine.run(ASK_OFTEN, check=False).stdout == ""
        # The application itself is heard all the same.
        machine.run("systemctl stop impostor")
        _impostor(machine, "billing_prod", queue=0)
        assert machine.run(ASK_OFTEN, check=False).stdout == "impostor"
        machine.run("systemctl stop impostor")
        # The control: packets without a user pass.
        _impostor(machine, "billing_stage", queue=0)
        machine.run("nft flush chain inet deploy_owner_billing_prod known")
        assert machine.run(ASK_OFTEN, check=False).stdout == "impostor"
    finally:
        machine.run("systemctl stop impostor; systemctl start billing_prod")


def test_stage_cannot_talk_to_prod_past_nginx(running: Host) -> None:
    machine = running.machine
    ask = ASK.format(4000) + " --output /dev/null --write-out '%{http_code}'"
    assert in_unit(machine, "stage", ask) == (28, "000")
    assert machine.run(ask).stdout != "000"
    machine.run("nft delete table inet deploy_owner_billing_prod")
    try:
        assert in_unit(machine, "stage", ask)[0] == 0
    finally:
        machine.run("nft --file /etc/deploy-ports.d/billing_prod.nft")


# Every place in the port mapper of a node, and its name, for whoever is let in.
TAKE_NAME = """\
use IO::Socket::INET;
my $epmd = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0], Timeout => 3) or die "refused\n";
my $alive = pack("C n C C n n n", 120, 40000, 77, 0, 6, 5, length $ARGV[1]) . $ARGV[1] . pack("n", 0);
print $epmd pack("n", length $alive) . $alive;
sysread $epmd, my $answer, 4 or die "no answer\n";
print unpack("x C", $answer) == 0 ? "registered\n" : "taken\n";
"""


def test_stage_cannot_take_the_name_of_prods_node(running: Host) -> None:
    machine = running.machine
    take = f"perl -e {shlex.quote(TAKE_NAME)} 20640 impostor"
    code, said = in_unit(machine, "stage", take)
    assert (code != 0, "refused" in said) == (True, True), said
    # Its own it can fill, and nobody else's.
    assert in_unit(machine, "stage", f"perl -e {shlex.quote(TAKE_NAME)} 20672 impostor") == (0, "registered\n")
    machine.run("nft delete table inet deploy_owner_billing_prod")
    try:
        assert in_unit(machine, "stage", take) == (0, "registered\n")
    finally:
        machine.run("nft --file /etc/deploy-ports.d/billing_prod.nft")


def test_stage_cannot_talk_to_prods_node(running: Host) -> None:
    machine = running.machine
    ask = "timeout 3 bash -c 'exec 3<>/dev/tcp/127.0.0.1/20641'"
    assert in_unit(machine, "stage", ask)[0] == 124
    machine.run("nft delete table inet deploy_owner_billing_prod")
    try:
        assert in_unit(machine, "stage", ask)[0] == 0
    finally:
        machine.run("nft --file /etc/deploy-ports.d/billing_prod.nft")
    assert rpc(machine, "prod", "IO.puts(:here)") == "here\n"


# Logins that never answer PostgreSQL's question for a password: protocol 3.0, as a user who needs one.
HALF_LOGINS = """\
use IO::Socket::INET;
my ($number, $user, @held) = @ARGV[0, 1];
my $words = join("\\0", "user", $user, "database", $user, "", "");
my $start = pack("N N", 8 + length $words, 196608) . $words;
my $end = time + 3;
while (time < $end && @held < $number) {
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 5432, Timeout => 1) or next;
    print $socket $start;
    push @held, $socket;
}
$| = 1;
print "holds ", scalar(@held), "\n";
sleep 30;
"""


def test_stage_cannot_hold_all_logins_of_postgresql(running: Host) -> None:
    machine = running.machine

    def hold(user: str) -> bool:
        """Whether PostgreSQL takes a superuser's login while a user of the machine opens logins and leaves them half."""
        script = f"perl -e {shlex.quote(HALF_LOGINS)} 400 billing_stage"
        start = f"systemd-run --quiet --unit half-{user} --uid {user} --property=LimitNOFILE=4096 {script}"
        machine.run(
            f"{start} && until journalctl --unit half-{user} --output cat | grep -q '^holds'; do sleep 0.2; done"
        )
        try:
            return machine.run("runuser -u postgres -- psql --command 'SELECT 1' postgres", check=False).returncode == 0
        finally:
            machine.run(f"systemctl stop half-{user}")

    assert machine.run("runuser -u postgres -- psql -Atc 'SHOW authentication_timeout' postgres").stdout == "10s\n"
    assert hold("billing_stage")
    assert rpc(machine, "prod", "IO.puts(:here)") == "here\n"
    # The control: a user whom no table bounds.
    assert not hold("nobody")
    wait_for_page(machine, "prod")


def test_stage_cannot_end_prods_processes(running: Host) -> None:
    machine = running.machine
    prod = main_pid(machine, "prod")
    assert in_unit(machine, "stage", f"kill -9 {prod}")[0] != 0
    line = "setpriv --reuid {0} --regid {0} --init-groups kill -0 {1}"
    assert machine.run(line.format("billing_stage", prod), check=False).returncode != 0
    # The control: whoever shares prod's user may.
    machine.run(line.format("billing_prod", prod))
    assert main_pid(machine, "prod") == prod


# Takes of what the kernel counts for root, too, when it is used in a user namespace, and prints how much it got. Not all
# that there is: the other machines of this computer would find nothing left.
TAKE = {
    # inotify_init1(2)
    "inotify": "1 while $n < 5 && syscall(294, 0) >= 0 && ++$n; print $n + 0",
    "signals": "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(40)); kill 40, getpid() for 1 .. 5000; "
    "open F, '/proc/self/status'; print grep { s/SigQ:\\s+(\\d+).*\\n/$1/ } <F>",
}


@pytest.mark.parametrize(("what", "most"), [("inotify", 0), ("signals", 1024)])
def test_stage_cannot_use_up_what_root_and_prod_have(running: Host, what: str, most: int) -> None:
    take = shlex.join(["perl", "-e", TAKE[what]])
    code, taken = in_unit(running.machine, "stage", take)
    assert (code, int(taken) <= most) == (0, True), taken
    # The control: the same user without the limits of the unit.
    free = f"systemd-run --quiet --pipe --wait --collect --uid billing_stage --property PrivateUsers=yes {take}"
    assert int(running.machine.run(free).stdout) >= most + 5


# A host as a version made it whose applications ran as `billing`.
FORMER = f"""\
systemctl stop billing_stage
usermod --append --groups billing_stage billing
sed -i 's/^User=.*/User=billing/; s/^Group=.*/Group=billing/; /nft --file/d' /etc/systemd/system/billing_stage.service
mkdir {ROOT}/uploads && echo kept > {ROOT}/uploads/file && echo kept > {ROOT}/private/file
chown -hR billing:billing {ROOT} && chmod 750 {ROOT} && chown -R root:billing {ROOT}/releases && chmod 750 {ROOT}/releases
nft delete table inet deploy_owner_billing_stage
systemctl daemon-reload && systemctl start billing_stage
"""


@pytest.mark.everything
def test_an_apply_takes_over_a_host_from_before(running: Host) -> None:
    """No file is lost, and the application restarts once."""
    machine, project = running.machine, running.project
    machine.run(FORMER)
    wait_for_page(machine, "stage")
    former = main_pid(machine, "stage")
    assert machine.run(f"stat --format %U /proc/{former}").stdout == "billing\n"
    planned = project.planned("--limit", "stage")
    assert {"Root directory", "Unit"} <= set(planned)
    began = machine.run("date +%s").stdout.strip()
    project.apply("--limit", "stage").require_success()
    wait_for_page(machine, "stage")
    assert machine.run(f"stat --format %U /proc/{main_pid(machine, 'stage')}").stdout == "billing_stage\n"
    starts = machine.run(f"journalctl --unit billing_stage --since @{began} --output cat | grep -c '^Started '").stdout
    assert starts == "1\n"
    assert machine.run(f"cat {ROOT}/uploads/file {ROOT}/private/file").stdout == "kept\nkept\n"
    owners = machine.run(f"cd {ROOT} && stat --format '%n %U:%G %a' . private private/file uploads releases").stdout
    assert owners.splitlines() == [
        ". root:root 755", "private billing_stage:billing_stage 700", "private/file billing_stage:billing_stage 644",
        "uploads billing:billing 755", "releases root:billing_stage 755",
    ]  # fmt: skip
    assert machine.run("id -nG billing").stdout.split() == ["billing", "systemd-journal"]
    assert project.planned("--limit", "stage") == {}
    machine.run(f"rm -r {ROOT}/uploads {ROOT}/private/file")
