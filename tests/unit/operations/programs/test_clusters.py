"""The cluster of PostgreSQL that an application is to have, on hosts that have others or keep everybody out."""

import pytest

from group_data.schema.environment import Environment
from operations import clusters
from tests.unit.conftest import STAGE
from tests.unit.operations.programs.sandboxed import Sandbox

LISTENS = "LISTEN 0 200 127.0.0.1:5432 0.0.0.0:*"
WELL = {
    "pg_lsclusters": "echo '15 main 5432 online postgres /var/lib /var/log'",
    "ss": f"echo '{LISTENS}'",
    "runuser": "",
}


def seen(sandbox: Sandbox, **stubs: str) -> list[str]:
    for name, body in (WELL | stubs).items():
        sandbox.stub(name, body)
    done = sandbox.run("clusters.sh", "5432")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def refused(*lines: str) -> str:
    environment = Environment.model_validate(STAGE)
    return "; ".join(clusters.sentence(environment, *line.split("\t")) for line in lines)


def test_a_cluster_that_is_well(sandbox: Sandbox) -> None:
    assert seen(sandbox) == []


@pytest.mark.parametrize("address", ["0.0.0.0:5432", "*:5432", "[::]:5432"])
def test_every_address_has_the_loopback(sandbox: Sandbox, address: str) -> None:
    assert seen(sandbox, ss=f"echo 'LISTEN 0 200 {address} *:*'") == []


@pytest.mark.parametrize("clusters", ["", "echo '15 main 5432 down postgres /var/lib /var/log'"])
def test_one_that_is_down_or_not_made_yet_is_left_to_apply(sandbox: Sandbox, clusters: str) -> None:
    assert seen(sandbox, pg_lsclusters=clusters, ss="", runuser="echo refused >&2; exit 2") == []


def test_clusters_at_other_ports_are_named(sandbox: Sandbox) -> None:
    listed = "echo '13 main 5431 down a b c'; echo '15 main 5433 online a b c'"
    lines = seen(sandbox, pg_lsclusters=listed)
    assert lines == ["cluster\t13/main at port 5431 (down), 15/main at port 5433 (online)"]
    assert "Set database_port in group_data/stage.py" in refused(*lines)


def test_one_that_has_only_sockets(sandbox: Sandbox) -> None:
    lines = seen(sandbox, ss="")
    assert lines == ["sockets\t15/main"]
    assert "listen_addresses = 'localhost' in /etc/postgresql/15/main/postgresql.conf" in refused(*lines)


def test_without_ss_nobody_can_tell(sandbox: Sandbox) -> None:
    """iproute2 is missing in small containers."""
    assert seen(sandbox, ss="exit 127") == []


def test_of_two_at_one_port_the_one_that_runs_counts(sandbox: Sandbox) -> None:
    listed = "echo '13 main 5432 down a b c'; echo '15 main 5432 online a b c'"
    assert seen(sandbox, pg_lsclusters=listed, ss="") == ["sockets\t15/main"]


def test_one_that_keeps_its_own_user_out(sandbox: Sandbox) -> None:
    said = 'psql: error: connection to server on socket "/run" failed: fe_sendauth: no password supplied'
    lines = seen(sandbox, runuser=f"echo '{said}' >&2; exit 2")
    assert lines == [f"login\t15/main\t{said} "]
    assert "`local all postgres peer` before all others into /etc/postgresql/15/main/pg_hba.conf" in refused(*lines)


def test_one_without_a_free_connection_is_another_matter(sandbox: Sandbox) -> None:
    assert seen(sandbox, runuser="echo 'FATAL: sorry, too many clients already' >&2; exit 2") == []
