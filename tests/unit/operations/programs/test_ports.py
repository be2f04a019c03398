"""The table of closed ports: what is loaded, what is refused, and what the host says of it."""

import subprocess

import pytest

from operations.host.firewall import TABLE
from operations.ports import TABLE_PATH, UNIT
from tests.unit.operations.programs.sandboxed import Sandbox


def close(sandbox: Sandbox, nft: str = "") -> "subprocess.CompletedProcess[str]":
    """Load the table on a host whose nft does this."""
    notes = sandbox.directory / "notes"
    sandbox.stub("nft", f'echo "nft $*" >> {notes}\n{nft}')
    sandbox.stub("systemctl", f'echo "systemctl $*" >> {notes}')
    return sandbox.run("close_ports.sh", TABLE_PATH, UNIT)


def notes(sandbox: Sandbox) -> list[str]:
    return (sandbox.directory / "notes").read_text().splitlines()


def test_the_table_is_loaded_now_and_at_every_boot(sandbox: Sandbox) -> None:
    done = close(sandbox)
    assert (done.returncode, done.stderr) == (0, "")
    assert notes(sandbox) == ["nft --file /etc/deploy-ports.nft", f"systemctl enable --quiet --now {UNIT}"]


def test_a_kernel_that_refuses_is_a_failure(sandbox: Sandbox) -> None:
    done = close(sandbox, "echo 'Error: Could not process rule: Operation not permitted' >&2; exit 1")
    assert done.returncode == 1
    assert (
        "Operation not permitted\nnft cannot load /etc/deploy-ports.nft, so ports of applications would" in done.stderr
    )
    assert "CAP_NET_ADMIN" in done.stderr
    assert not any(note.startswith("systemctl") for note in notes(sandbox))


BEAM = 'LISTEN 0 1024 *:4001 *:* users:(("beam.smp",pid=9,fd=20))'

SOCKETS = f"""\
LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=1,fd=3))
LISTEN 0 128 [::]:2222 [::]:* users:(("sshd",pid=1,fd=4))
ESTAB 0 0 192.0.2.1:2223 192.0.2.9:50000 users:(("sshd-session",pid=7,fd=4),("sshd-session",pid=6,fd=4))
ESTAB 0 0 192.0.2.1:50001 192.0.2.9:22 users:(("ssh",pid=8,fd=4))
{BEAM}
"""


def test_the_ports_of_sshd(sandbox: Sandbox) -> None:
    sandbox.stub("ss", f"cat <<'EOF'\n{SOCKETS}EOF")
    sandbox.places["/usr/sbin/sshd"] = sandbox.bin / "sshd"
    sandbox.stub("sshd", "printf 'port 22\\nport 4005\\naddressfamily any\\n'")
    done = sandbox.run("sshd_ports.sh")
    assert (sorted(set(done.stdout.split())), done.stderr) == (["22", "2222", "2223", "4005"], "")


LISTING = "table inet deploy_ports {\n  chain input\n}"


@pytest.mark.parametrize(
    ("kernel", "ruleset", "said"),
    [
        (f"echo '{LISTING}'", f"echo '{LISTING}'", "in force\n"),
        (f"echo '{LISTING}'", "echo 'table inet deploy_ports {'", ""),
        ("exit 1", f"echo '{LISTING}'", ""),
        ("exit 1", "exit 1", ""),
    ],
    ids=["the same", "another", "none", "no nft"],
)
def test_the_kernels_table_is_compared_in_nfts_own_words(
    sandbox: Sandbox, kernel: str, ruleset: str, said: str
) -> None:
    sandbox.stub("unshare", f'cat > {sandbox.directory}/loaded\n[ "$1" = --net ] || exit 1\n{ruleset}')
    sandbox.stub("nft", f'[ "$*" = "--stateless list table inet deploy_ports" ] || exit 1\n{kernel}')
    done = sandbox.run("ports_in_force.sh", TABLE, "a ruleset\n")
    assert (done.stdout, done.stderr) == (said, "")
    assert (sandbox.directory / "loaded").read_text() == "a ruleset\n"


def test_the_ports_of_environments_that_the_data_does_not_name(sandbox: Sandbox) -> None:
    place = sandbox.directory / "default"
    place.mkdir()
    sandbox.places["/etc/default"] = place
    ours = "# Managed by the deploy repository: changes here are overwritten.\n# Read by its unit.\nLANG=C.UTF-8\n"
    (place / "billing_stage").write_text(f"{ours}PORT=4001\n")
    (place / "billing_qa").write_text(f"{ours}PORT=4002\nEXPORT=1\nGREETING=PORT=9\n")
    (place / "shop_prod").write_text(f"{ours}PORT=4003\n")
    (place / "broken").write_text(f"{ours}PORT=4004; rm -rf /\n")
    (place / "ssh").write_text("PORT=4005\n")
    done = sandbox.run("other_ports.sh", f"{place}/billing_stage", f"{place}/billing_prod")
    assert (done.stdout.split(), done.stderr) == (["4002", "4003"], "")


CHAIN = "iif != lo tcp dport @ports tcp flags syn / syn,ack drop"


@pytest.mark.parametrize(("chain", "said"), [(CHAIN, ["4369"]), ("", []), (CHAIN.replace("drop", "accept"), [])])
def test_a_port_is_closed_if_it_is_in_the_set_and_a_rule_drops_it(
    sandbox: Sandbox, chain: str, said: list[str]
) -> None:
    sandbox.stub(
        "nft",
        f"""case "$*" in
        "get element inet deploy_ports ports {{ 4369 }}") ;;
        "list chain inet deploy_ports input") echo '{chain}' ;;
        *) exit 1 ;;
        esac""",
    )
    done = sandbox.run("closed_among.sh", "4001", "4369")
    assert (done.stdout.splitlines(), done.stderr) == (said, "")


JOURNAL = "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1795651970123456\n__MONOTONIC_TIMESTAMP=1\n"


@pytest.mark.parametrize(
    ("restarts", "failed", "journal", "said"),
    [
        (0, False, f"{JOURNAL}UNIT_RESULT=oom-kill\n", ""),
        (2, False, f"{JOURNAL}UNIT_RESULT=oom-kill\n", "2 oom-kill 1795651970\n"),
        (0, True, f"{JOURNAL}UNIT_RESULT=exit-code\n", "0 exit-code 1795651970\n"),
        (1, False, JOURNAL, "1 success 1795651970\n"),
        (1, False, f"{JOURNAL}UNIT_RESULT=signal\nEXIT_STATUS=9\n", "1 SIGKILL 1795651970\n"),
        (1, False, f"{JOURNAL}UNIT_RESULT=signal\n", "1 signal 1795651970\n"),
        (1, False, "", "1 unknown unknown\n"),
        (1, False, f"{JOURNAL}UNIT_RESULT=a b; c\n", "1 success 1795651970\n"),
    ],
    ids=[
        "asked for",
        "memory",
        "failed",
        "ended by itself",
        "signal",
        "signal without a number",
        "no journal",
        "no word of systemd's",
    ],
)
def test_an_end_that_nobody_asked_for(
    sandbox: Sandbox, *, restarts: int, failed: bool, journal: str, said: str
) -> None:
    sandbox.stub("systemctl", f'case "$*" in *is-failed*) exit {int(not failed)} ;; *) echo {restarts} ;; esac')
    sandbox.stub(
        "journalctl", f"""case "$*" in *"_PID=1 UNIT=billing_stage.service"*) printf '%s' '{journal}' ;; esac"""
    )
    done = sandbox.run("unasked_end.sh", "billing_stage.service")
    assert (done.stdout, done.stderr) == (said, "")
