"""A PostgreSQL that somebody else runs: the secret file is enough to reach it, and no other database answers instead."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import Host
from tests.host.partial import with_steps
from tests.host.project import Project
from tests.host.test_database import STATE, sql
from tests.sandbox.image import image, run_in
from tests.sandbox.machine import boot

CA = "/etc/ssl/hosted/ca.pem"
OTHER_CA = "/etc/ssl/hosted/other.pem"
PASSWORD = "host'ed \\ \" #{password}"
TEAM = {"database_managed": False, "database_host": "db.example.com", "database_port": 6432, "database_user": "doadmin"}
HOSTED = TEAM | {
    "database_name": "defaultdb",
    "database_tls": "verified",
    "database_tls_ca": CA,
    "database_pool_size": 7,
}

# Two authorities, and a certificate by the first for one name.
CERTIFICATES = """\
set -eu
mkdir -p /etc/ssl/hosted && cd /etc/ssl/hosted
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 "$@" 2>/dev/null; }
for name in ca other; do
    new -x509 -keyout $name.key -out $name.pem -subj /CN=$name -addext keyUsage=critical,keyCertSign
done
new -keyout server.key -out server.csr -subj /CN=db
printf 'subjectAltName=DNS:db.example.com' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -days 30 -extfile extensions -out server.pem 2>/dev/null
chown postgres server.key
"""

# $1: the machine's address. A cluster of another team, which takes connections with TLS alone and from outside.
CLUSTER = """\
set -eu
set -- "$1" $(pg_lsclusters -h | awk '{ print $1; exit }')
pg_createcluster --port 6432 "$2" hosted -- --auth-host scram-sha-256
cd /etc/postgresql/$2/hosted
echo 'hostssl all all 0.0.0.0/0 scram-sha-256' > pg_hba.conf
echo 'local all postgres peer' >> pg_hba.conf
cat >> postgresql.conf <<END
listen_addresses = '$1'
ssl = on
ssl_cert_file = '/etc/ssl/hosted/server.pem'
ssl_key_file = '/etc/ssl/hosted/server.key'
END
pg_ctlcluster $2 hosted start
"""

# Connects as Postgrex does: 0.18 and newer merge the list in ssl: into defaults of their own
# (Postgrex.Protocol.default_ssl_opts/1), older ones take ssl_opts: as it is where ssl: is true. Prints what the repo is
# configured with, whether TLS came about, and what the server asks for next (82, R: to authenticate).
CONNECT = """\
repo = Config.Reader.read!("/secret/file.exs")[:billing][Billing.Repo]
host = String.to_charlist(repo[:hostname])
defaults = [
  verify: :verify_peer,
  server_name_indication: host,
  customize_hostname_check: [match_fun: :public_key.pkix_verify_hostname_match_fun(:https)]
]
options = case repo[:ssl] do
  true -> repo[:ssl_opts]
  options when is_list(options) -> Keyword.merge(defaults, options)
end
{:ok, _} = Application.ensure_all_started(:ssl)
:logger.set_primary_config(:level, :none)
{:ok, socket} = :gen_tcp.connect(host, repo[:port], [:binary, active: false])
:ok = :gen_tcp.send(socket, <<8::32, 80877103::32>>)
{:ok, "S"} = :gen_tcp.recv(socket, 1)
answer = case :ssl.connect(socket, options, 5000) do
  {:ok, tls} ->
    parameters = ["user", 0, repo[:username], 0, "database", 0, repo[:database], 0, 0]
    :ok = :ssl.send(tls, [<<IO.iodata_length(parameters) + 8::32, 196608::32>>, parameters])
    {:ok, <<kind, _::binary>>} = :ssl.recv(tls, 0)
    "verified, then #{<<kind>>}"
  {:error, {:tls_alert, {_, reason}}} -> "refused, #{inspect(to_string(reason))}"
end
for key <- [:username, :password, :database, :hostname], do: IO.puts("#{key} #{Base.encode16(repo[key])}")
IO.puts("pool_size #{repo[:pool_size]}")
IO.puts("port #{repo[:port]}")
IO.puts("tls #{answer}")
"""


@pytest.fixture(scope="module")
def hosted(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """The machine with a second cluster that is not ours, and a repository that writes what concerns databases alone."""
    host.machine.run(CERTIFICATES)
    host.machine.run(f"set -- {host.machine.address}\n{CLUSTER}")
    host.machine.run(f"echo '{host.machine.address} db.example.com db.example.org' >> /etc/hosts")
    quoted = PASSWORD.replace("'", "''")
    statements = (
        "SET standard_conforming_strings = on;"
        f" CREATE ROLE doadmin LOGIN PASSWORD '{quoted}'; CREATE DATABASE defaultdb OWNER doadmin;"
    )
    host.machine.run("psql --port 6432 --set ON_ERROR_STOP=1", user="postgres", stdin=statements)
    steps = [
        "provided_files.require(environment)",
        "database.managed_database(environment)",
        "secret_file.secret_file_and_database_password(environment, secrets)",
    ]
    project = with_steps(host.project, tmp_path_factory.mktemp("hosted") / "project", *steps)
    project.set_secrets("stage", database_password=PASSWORD)
    return Host(host.machine, project)


@pytest.fixture
def stage(hosted: Host) -> Iterator[Host]:
    """For a test that has stage use the hosted database; its group data are the example's again afterwards."""
    path = hosted.project.path / "group_data/stage.py"
    saved = path.read_text()
    yield hosted
    path.write_text(saved)


def connect(host: Host, directory: Path) -> dict[str, str]:
    """What Elixir makes of the secret file, on the machine's network."""
    (directory / "file.exs").write_text(host.machine.run("cat /var/stage.secret.exs").stdout)
    (directory / "connect.exs").write_text(CONNECT)
    authorities = {}
    for path in (CA, OTHER_CA):
        (directory / Path(path).name).write_text(host.machine.run(f"cat {path}").stdout)
        authorities[directory / Path(path).name] = (path, True)
    run = run_in(
        image(host.machine.release, "elixir"),
        f"echo '{host.machine.address} db.example.com db.example.org' >> /etc/hosts; elixir /secret/connect.exs",
        binds={directory: ("/secret", True), **authorities},
        network=Path(f"/proc/{host.machine.pid}/ns/net"),
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)


def decoded(answer: dict[str, str], key: str) -> str:
    return bytes.fromhex(answer[key]).decode()


@pytest.mark.parametrize("tool", ["mix", "distillery"])
def test_the_secret_file_is_all_the_application_needs(stage: Host, tool: str, tmp_path: Path) -> None:
    stage.project.edit("stage", **HOSTED, release_tool=tool)
    local = sql(stage.machine, STATE.replace("SELECT * FROM invoices;", ""))
    expected = {"Secret file and database password": ["stage"]}
    # What mix release had before it.
    expected |= {"Secret variables: none": ["stage"]} if tool == "distillery" else {}
    assert stage.project.planned() == expected
    assert stage.project.applied() == expected
    assert stage.project.planned() == {}
    assert sql(stage.machine, STATE.replace("SELECT * FROM invoices;", "")) == local
    answer = connect(stage, tmp_path)
    assert answer["tls"] == "verified, then R"
    assert (answer["port"], answer["pool_size"]) == ("6432", "7")
    # And what it read lets libpq log in.
    login = (
        "IFS= read -r PGPASSWORD; export PGPASSWORD; exec psql --no-psqlrc -qAt"
        f" 'host={decoded(answer, 'hostname')} port=6432 sslmode=verify-full sslrootcert={CA}"
        f" user={decoded(answer, 'username')} dbname={decoded(answer, 'database')}'"
    )
    statement = "SELECT session_user, current_database(), ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    said = stage.machine.run(login, user="nobody", stdin=f"{decoded(answer, 'password')}\n{statement}")
    assert said.stdout == "doadmin|defaultdb|t\n"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another authority": ({"database_tls_ca": OTHER_CA}, "Unknown CA"),
    "the system's authorities": ({"database_tls_ca": None}, "Unknown CA"),
    "another name": ({"database_host": "db.example.org"}, "hostname_check_failed"),
}


@pytest.mark.parametrize("tool", ["mix", "distillery"])
@pytest.mark.parametrize("case", WRONG)
def test_a_certificate_that_is_not_the_databases_is_refused(stage: Host, case: str, tool: str, tmp_path: Path) -> None:
    settings, reason = WRONG[case]
    stage.project.edit("stage", **HOSTED | settings, release_tool=tool)
    stage.project.apply("--limit", "stage").require_success()
    answer = connect(stage, tmp_path)["tls"]
    assert answer.startswith("refused, ")
    assert reason in answer


def test_an_authority_that_is_not_on_the_host_is_refused(stage: Host) -> None:
    before = stage.machine.run("sha256sum /var/stage.secret.exs").stdout
    stage.project.edit("stage", **HOSTED | {"database_tls_ca": "/etc/ssl/hosted/missing.pem"})
    for arguments in (["--dry"], ["--yes"]):
        run = stage.project.pyinfra("deploy.py", *arguments)
        assert run.exit_code == 1
        assert "/etc/ssl/hosted/missing.pem (database_tls_ca): no such file on the host of stage." in run.output
    assert stage.machine.run("sha256sum /var/stage.secret.exs").stdout == before


@pytest.mark.everything
def test_the_unit_does_not_wait_for_the_local_postgresql(restored: Host) -> None:
    restored.project.edit("stage", **TEAM, database_tls="none")
    planned = restored.project.planned()
    assert planned == {
        name: ["stage"]
        for name in (
            "Secret file and database password",
            "Unit",
            "Unit: systemd reloads",
            "Release: settings of the switch",
        )
    }
    assert restored.project.applied() == planned
    assert restored.project.planned() == {}
    ordered = restored.machine.run(
        "systemctl show --property After --value billing_stage billing_prod"
    ).stdout.splitlines()
    assert ["postgresql.service" in after for after in ordered if after] == [False, True]


@pytest.mark.everything
def test_a_machine_without_a_managed_database_has_no_postgresql(vaults: Path, tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "project", vaults)
    for environment in ("stage", "prod"):
        project.edit(environment, **TEAM)
    with boot(directory=project.sandbox) as machine:
        project.apply().require_success()
        assert project.planned() == {}
        installed = machine.run("dpkg-query --show --showformat '${Package}\\n'").stdout.split()
        assert "nginx" in installed
        assert [name for name in installed if "postgresql" in name] == []
        # One that moves its database back here gets all of it.
        project.edit("stage", **dict.fromkeys(TEAM))
        planned = project.planned()
        assert {"Machine: packages", "PostgreSQL role", "PostgreSQL database"} <= planned.keys()
        assert project.applied() == planned
        assert project.planned() == {}
