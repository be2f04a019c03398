"""What the host names as in an application's way, one thing at a time."""

from collections.abc import Callable

import pytest

from group_data.schema.environment import Environment
from operations.release import obstacles
from tests.unit.operations.programs.sandboxed import Sandbox

BEAM = 'LISTEN 0 1024 127.0.0.1:4001 0.0.0.0:* users:(("beam.smp",pid=9,fd=20))'
OTHER = 'LISTEN 0 5 [::1]:4001 [::]:* users:(("a program",pid=7,fd=3))'
LOG = "/var/log/postgresql/postgresql-15-main.log"

# Commands of a host that is well.
WELL = {
    "nginx": "exit 0",
    "systemctl": "echo active",
    "findmnt": 'echo "/ rw,relatime"',
    "df": 'printf "Avail IFree Inodes\\n9999999999 1000 2000\\n"',
    "pg_lsclusters": f'echo "15 main 5432 online postgres /var/lib/postgresql/15/main {LOG}"',
    "setpriv": "echo 90",
    "ss": f"echo '{BEAM}'",
    "timeout": "exit 1",
    **dict.fromkeys(("curl", "ip", "nft", "openssl"), "exit 0"),
    "dpkg-query": "printf 'installed\\tnginx\\n'",
}


def seen(
    sandbox: Sandbox,
    changes: dict[str, str],
    directory: str = "/run/no/such",
    stranger: str = "other.service",
    standin_port: str = "",
) -> list[str]:
    for process, unit in ((9, "billing_stage.service"), (8, stranger), (7, "other.service")):
        place = sandbox.directory / f"proc/{process}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "cgroup").write_text(f"0::/system.slice/{unit}\n")
    sandbox.places["/proc/$process"] = sandbox.directory / "proc/$process"
    for name, script in (WELL | changes).items():
        sandbox.stub(name, script)
    done = sandbox.run(
        "obstacles.sh", "billing_stage.service", "4001", "443", "20672", "5432", standin_port, "/", directory
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_nothing(sandbox: Sandbox) -> None:
    assert seen(sandbox, {}) == []


EMERG = 'nginx: [warn] conflicting\\nnginx: [emerg] 12#12: unknown directive \\"x\\" in /etc/nginx/a:1\\n'


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"systemctl": "echo failed"}, "nginx\tfailed"),
        ({"systemctl": "echo reloading"}, ""),
        (
            {"nginx": f'printf "{EMERG}" >&2; exit 1'},
            'configuration\tunknown directive "x" in /etc/nginx/a:1',
        ),
        ({"findmnt": 'echo "/ ro,relatime"'}, "read-only\t/"),
        ({"df": 'printf "Avail IFree Inodes\\n1000 1000 2000\\n"'}, "full\t/\tspace"),
        ({"df": 'printf "Avail IFree Inodes\\n9999999999 3 2000\\n"'}, "full\t/\tinodes"),
        ({"setpriv": "echo 1"}, "connections\t1"),
        ({"setpriv": "echo -2"}, "connections\t-2"),
        ({"setpriv": "echo 'FATAL:  sorry, too many clients already' >&2; exit 2"}, "connections\t0"),
        ({"setpriv": "echo 'FATAL:  remaining connection slots are reserved' >&2; exit 2"}, "connections\t0"),
        ({"ss": f"echo '{OTHER}'"}, "port\t[::1]:4001\ta program"),
        ({"ss": "echo 'LISTEN 0 128 0.0.0.0:4001 0.0.0.0:*'"}, ""),
        ({"dpkg-query": "printf 'installed\\tnginx\\nhalf-installed\\tcurl\\n'"}, "packages\tcurl\thalf-installed"),
        ({"timeout": 'case $* in */443) exit 124 ;; *) exit 1 ;; esac'}, "loopback\t443"),
        # A file system that has no inodes of its own.
        ({"df": 'printf "Avail IFree Inodes\\n9999999999 0 0\\n"'}, ""),
        ({"df": 'printf "Avail IFree Inodes\\n9999999999 - -\\n"'}, ""),
    ],
)  # fmt: skip
def test_one_thing(sandbox: Sandbox, changes: dict[str, str], said: str) -> None:
    assert seen(sandbox, changes) == ([said] if said else [])


def test_a_program_that_is_gone(sandbox: Sandbox) -> None:
    sandbox.places["command -v"] = sandbox.directory / "bin/known"
    sandbox.stub("known", "[ $1 != ss ] && [ $1 != openssl ]")
    assert seen(sandbox, {}) == ["program\tss\tiproute2", "program\topenssl\topenssl"]


def test_a_home_where_nothing_may_be_executed(sandbox: Sandbox) -> None:
    changes = {"findmnt": 'echo "/x rw,noexec"'}
    assert seen(sandbox, changes) == []
    assert seen(sandbox, changes, "/home/billing/stage") == ["noexec\t/x"]


def test_a_cluster_that_is_down_and_why(sandbox: Sandbox) -> None:
    log = sandbox.directory / "log"
    log.write_text(
        "1 [2] LOG:  starting\n1 [2] FATAL:  could not open\tdirectory\n1 [2] LOG:  shut down\n1 [4] a@b FATAL:  bye\n"
    )
    changes = {
        "pg_lsclusters": f'echo "13 old 5431 online a b c"; echo "15 main 5432 down postgres /var/lib {log}"',
        "setpriv": "echo 'connection refused' >&2; exit 2",
    }
    assert seen(sandbox, changes) == ["postgresql\t15/main\t1 [2] FATAL: could not open directory"]


@pytest.mark.parametrize(
    ("unit", "said"), [("other.service", "port\t127.0.0.1:20703\tnc"), ("billing_stage-standin.service", "")]
)
def test_somebody_has_the_port_of_the_stand_in(sandbox: Sandbox, unit: str, said: str) -> None:
    standin = 'LISTEN 0 5 127.0.0.1:20703 0.0.0.0:* users:(("nc",pid=8,fd=5))'
    changes = {"ss": f"""case "$*" in *20703*) echo '{standin}' ;; *) echo '{BEAM}' ;; esac"""}
    assert seen(sandbox, changes, stranger=unit, standin_port="20703") == [said] * bool(said)


def test_no_cluster_has_the_port(sandbox: Sandbox) -> None:
    changes = {"pg_lsclusters": 'echo "15 main 5433 online a b c"', "setpriv": "echo 'no such file' >&2; exit 2"}
    assert seen(sandbox, changes) == ["cluster\t5432\t5433"]


def test_every_kind_has_a_sentence_and_a_way_out(environment: Callable[..., Environment]) -> None:
    lines = [
        ["loopback", "20672"], ["nginx", "failed"], ["configuration", "x"], ["read-only", "/"], ["full", "/run", "inodes"],
        ["postgresql", "15/main", ""], ["cluster", "5432", ""], ["connections", "-1"], ["port", "*:4001", "nc"],
        ["port", "127.0.0.1:20703", "nc"],
        ["packages", "curl", "unpacked"], ["program", "ss", "iproute2"], ["noexec", "/home"],
    ]  # fmt: skip
    found = obstacles.read(environment(), lines)
    assert [obstacle.kind for obstacle in found] == [line[0] for line in lines]
    assert all(obstacle.what and obstacle.why and obstacle.mend for obstacle in found)
    known = obstacles.WEB | obstacles.DISK | obstacles.DATABASE
    # Other sites are seen in nginx's configuration.
    assert known - {"taken", "held"} < {obstacle.kind for obstacle in found}
