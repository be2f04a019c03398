"""What somebody changed by hand is named, and a plan is what apply then does.

Each state goes on from the last: that drift names one damage alone also shows that everything before was mended.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.host.conftest import TRIXIE, Host, Prepared
from tests.host.damages import ALONE, FURTHER, INDEPENDENT, Damage
from tests.host.project import CHECKOUT, Project, Run
from tests.sandbox.machine import Machine, boot

# Of what former applies left of an environment that is no longer in the inventory, and of what is none of it.
FORMER = """\
set -e
cd /
sed s/stage/qa/g /etc/systemd/system/billing_stage.service > /etc/systemd/system/billing_qa.service
for kind in socket service; do
    sed s/stage/qa/g /etc/systemd/system/billing_stage-epmd.$kind > /etc/systemd/system/billing_qa-epmd.$kind
done
sed 's/stage/qa/g; s/4001/4002/' /etc/nginx/sites-available/billing_stage > /etc/nginx/sites-available/billing_qa
ln -s /etc/nginx/sites-available/billing_qa /etc/nginx/sites-enabled/billing_qa
cp /etc/polkit-1/rules.d/50-billing_stage.rules /etc/polkit-1/rules.d/50-billing_qa.rules
touch /etc/nginx/billing_qa.htpasswd
cp -r /var/www/billing_stage /var/www/billing_qa
cp /etc/ssl/private/billing_prod.pem /etc/ssl/private/billing_qa.pem
cp /etc/default/billing_stage /etc/default/billing_qa
cp /var/stage.secret.exs /var/qa.secret.exs
touch /usr/local/libexec/billing_qa-switch /usr/local/libexec/billing_qa-switch.conf
touch /usr/local/libexec/billing_qa-build /usr/local/libexec/billing_qa-build.conf
mkdir -p /var/cache/billing_qa-build/artifacts /var/lib/billing_qa/artifacts
cp -a /home/billing/stage /home/billing/qa
block=$(sed -n '/^# BEGIN billing_stage/,/^# END billing_stage/p' /home/billing/.bash_aliases)
echo "$block" | sed 's/billing_stage,/billing_qa,/' >> /home/billing/.bash_aliases
groupadd --system billing_qa
touch /var/log/nginx/billing_qa.access.log /var/log/nginx/billing_qa.error.log /var/log/nginx/billing_qa.error.log.1
sed s/stage/qa/ /var/lib/deploy-environments/billing_stage > /var/lib/deploy-environments/billing_qa
runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 <<'SQL'
CREATE ROLE billing_qa LOGIN CONNECTION LIMIT 40;
CREATE DATABASE billing_qa OWNER billing_qa;
SQL
"""
FOREIGN = """\
set -e
cd /
echo 'Somebody else: MORE=1' > /etc/default/billing_theirs
sed 's/:billing,/:other,/; s/billing_stage/other/' /var/stage.secret.exs > /var/other.secret.exs
mkdir -p /var/cache/billing_stage-build
mkdir -p /home/billing/documents '/home/billing/$(touch injected)'
groupadd billing_people
runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 <<'SQL'
CREATE ROLE billing_reader LOGIN;
CREATE DATABASE billing_reports;
CREATE ROLE "billing_'; DROP" LOGIN CONNECTION LIMIT 1;
GRANT CREATE ON DATABASE billing_stage TO billing_stage;
\\c billing_stage
SET ROLE billing_stage;
CREATE EXTENSION pg_trgm;
SQL
"""
PARTS_OF_FORMER = [
    "unit /etc/systemd/system/billing_qa.service",
    "port mapper's socket /etc/systemd/system/billing_qa-epmd.socket",
    "port mapper /etc/systemd/system/billing_qa-epmd.service",
    "release program /usr/local/libexec/billing_qa-switch",
    "settings of the release program /usr/local/libexec/billing_qa-switch.conf",
    "build program /usr/local/libexec/billing_qa-build",
    "settings of the build program /usr/local/libexec/billing_qa-build.conf",
    "build directory /var/cache/billing_qa-build",
    "tarballs and backups /var/lib/billing_qa",
    "polkit rule /etc/polkit-1/rules.d/50-billing_qa.rules",
    "site /etc/nginx/sites-available/billing_qa",
    "password file /etc/nginx/billing_qa.htpasswd",
    "page /var/www/billing_qa/502.html",
    "log of requests /var/log/nginx/billing_qa.access.log",
    "log of nginx's errors /var/log/nginx/billing_qa.error.log",
    "self-signed certificate /etc/ssl/private/billing_qa.pem",
    "aliases of billing_qa",
    "secret file /var/qa.secret.exs",
    "variables /etc/default/billing_qa",
    "root directory /home/billing/qa",
    "group billing_qa",
    "entry in the list of the machine /var/lib/deploy-environments/billing_qa",
    "database billing_qa",
    "role billing_qa",
]


def drift(project: Project, *arguments: str) -> Run:
    return project.run(sys.executable, "-m", "commands.drift", *arguments)


def drifted(project: Project, *arguments: str) -> list[dict[str, Any]]:
    """What drift names; its exit code must agree."""
    run = drift(project, "--json", *arguments)
    found: list[dict[str, Any]] = json.loads(run.output)["drift"]
    assert run.exit_code == (2 if found else 0)
    return found


def named(found: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{item['environment'] or item['machine']}: {item['thing']}" for item in found)


def done(changes: dict[str, list[str]]) -> list[str]:
    """What pyinfra did, in drift's words."""
    return sorted(
        f"sandbox: {operation}" if operation.startswith("Machine:") else f"{host}: {operation}"
        for operation, hosts in changes.items()
        for host in hosts
    )


def test_bare(prepared: Prepared) -> None:
    assert prepared.planned == prepared.applied


@pytest.mark.everything
def test_half_applied(vaults: Path, tmp_path: Path) -> None:
    """Killed when the environments are under way: units are there, sites are not."""
    project = Project.copy(tmp_path / "project", vaults)
    with boot(directory=project.sandbox) as machine:
        project.killed_apply_when(lambda: exists(machine, "/etc/default/billing_stage"))
        # What the host was doing when the connection broke goes on for a moment.
        time.sleep(5)
        found = drifted(project)
        assert "stage: Site" in named(found)
        assert "stage: Group of the secret file" not in named(found)
        assert done(project.applied()) == named(found)
        assert drifted(project) == []


def exists(machine: Machine, path: str) -> bool:
    return machine.run(f"test -e {path}", check=False).returncode == 0


@pytest.mark.everything
def test_in_sync(host: Host) -> None:
    run = drift(host.project)
    assert (run.exit_code, run.output) == (0, "In sync.\n")
    quiet = drift(host.project, "--quiet", "prod")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert json.loads(drift(host.project, "--json").output) == {"in_sync": True, "drift": []}
    host.project.make("drift").require_success()


@pytest.mark.everything
@TRIXIE
# Those that do not depend on one another are all in `test_many_damages_at_once` as well.
@pytest.mark.parametrize("damage", [*INDEPENDENT, *ALONE], ids=lambda damage: damage.name)
def test_one_damage(host: Host, damage: Damage) -> None:
    """Asked of the one environment that has it; that no other drifts too shows in the next test, which asks about all."""
    concerned = {thing.partition(":")[0] for thing in damage.expected}
    environments = concerned if concerned < {"stage", "prod"} else set()
    host.machine.run(damage.command)
    found = named(drifted(host.project, *environments))
    applied = done(host.project.applied(*(word for name in environments for word in ("--limit", name))))
    assert found == sorted(damage.expected)
    assert applied == found


def test_many_damages_at_once(host: Host) -> None:
    damages = [*FURTHER, *INDEPENDENT]
    for damage in damages:
        host.machine.run(damage.command)
    found = named(drifted(host.project))
    applied = done(host.project.applied())
    assert found == sorted({thing for damage in damages for thing in damage.expected})
    assert applied == found
    assert drifted(host.project) == []


@pytest.mark.everything
def test_one_line_for_each_thing(host: Host) -> None:
    host.machine.run("rm /etc/nginx/sites-enabled/billing_prod")
    run = drift(host.project)
    assert run.exit_code == 2
    assert run.output.splitlines()[0] == "prod: Site"
    assert "\x1b" not in run.output
    # The line for cron, which mails what it says.
    [line] = re.findall(r"^0 4 \* \* \* (.*)", (CHECKOUT / "docs/drift.md").read_text(), re.MULTILINE)
    mailed = host.project.run("sh", "-c", line.replace("/srv/deploy", str(host.project.path)))
    assert (mailed.exit_code, mailed.output) == (2, run.output)
    assert host.project.make("drift", "ENV=stage").exit_code == 0
    assert host.project.make("drift", "ENV=prod").exit_code == 2
    host.project.apply().require_success()


@pytest.mark.everything
def test_leftovers(host: Host) -> None:
    """Named one by one, each with a command that removes it and it alone; apply leaves all of them."""
    host.machine.run("bash -s", stdin=FOREIGN)
    assert drifted(host.project) == []
    host.machine.run("bash -s", stdin=FORMER)
    found = drifted(host.project)
    assert [item["thing"] for item in found] == PARTS_OF_FORMER
    assert {item["kind"] for item in found} == {"leftover"}
    secrets = host.project.secrets("stage").values()
    assert not any(value in drift(host.project).output for value in secrets)
    assert host.project.applied() == {}
    for item in found:
        host.machine.run(item["command"])
    # The alias file is as apply left it but for its time, and nginx has read what is left.
    assert drifted(host.project) == []
    assert exists(host.machine, "/etc/default/billing_theirs")
    assert not exists(host.machine, "/injected")


@pytest.mark.everything
def test_an_environment_whose_machine_left_the_inventory_is_remembered(host: Host) -> None:
    known = host.project.sandbox / "vault/machines.txt"
    host.project.apply().require_success()
    lines = [line for line in known.read_text().splitlines() if not line.startswith("#")]
    assert sorted(lines) == ["billing prod sandbox", "billing stage sandbox"]
    before = known.read_text()
    known.write_text(f"{before}billing qa qa.example.com\nbilling gone sandbox\n")
    (known.parent / "qa.age").touch()
    found = drifted(host.project)
    said = drift(host.project).output
    assert drifted(host.project, "stage") == []
    (known.parent / "qa.age").unlink()
    for item in found[:2]:
        host.project.run("sh", "-c", item["command"].rsplit(": ", 1)[-1]).require_success()
    assert [(item["machine"], item["thing"]) for item in found] == [
        (
            "here",
            "environment billing_qa on qa.example.com, which the inventory no longer has: application, database and "
            "secrets may live on there",
        ),
        ("here", "line of billing_gone in .sandbox/vault/machines.txt, of which nothing is left on sandbox"),
        ("here", "vault .sandbox/vault/qa.age"),
    ]
    assert "left over here: vault .sandbox/vault/qa.age: git rm .sandbox/vault/qa.age" in said
    assert known.read_text() == before
    assert drifted(host.project) == []


@pytest.mark.everything
def test_an_extension_nobody_wants_any_more(host: Host) -> None:
    host.project.edit("stage", database_extensions=[])
    [item] = drifted(host.project, "stage")
    assert drifted(host.project, "prod") == []
    assert item["thing"] == "extension citext of database billing_stage"
    assert item["environment"] == "stage"
    host.machine.run(item["command"])
    assert drifted(host.project) == []
    host.project.edit("stage", database_extensions=["citext"])
    host.project.apply().require_success()


@pytest.mark.everything
def test_postgresql_stopped_hides_no_other_leftover(host: Host) -> None:
    host.machine.run("systemctl stop postgresql && cp /etc/default/billing_stage /etc/default/billing_qa")
    found = drifted(host.project)
    host.machine.run("systemctl start postgresql && rm /etc/default/billing_qa")
    assert "sandbox: Machine: PostgreSQL runs" in named(found)
    assert "sandbox: variables /etc/default/billing_qa" in named(found)


def test_errors(host: Host) -> None:
    """Told with exit code 1, whatever the reason, with nothing on standard output that a script could take for a result."""
    project = host.project
    unknown = drift(project, "nowhere")
    assert (unknown.exit_code, unknown.output) == (
        1,
        "there is no environment 'nowhere'; there are: stage, prod\n",
    )
    assert drift(project, "--nope").exit_code == 1
    vault = project.sandbox / "vault/stage.age"
    sealed = vault.read_bytes()
    vault.unlink()
    run = drift(project, "--quiet")
    vault.write_bytes(sealed)
    assert run.exit_code == 1
    assert "make vault-init ENV=stage" in run.output
    project.edit("stage", prot=1)
    run = drift(project)
    project.edit("stage", prot=None)
    assert run.exit_code == 1
    assert "prot = 1: no such setting; did you mean port?" in run.output
    assert "Traceback" not in run.output


@pytest.mark.everything
def test_unreachable(host: Host) -> None:
    with host.project.moved("prod", ssh_port=1):
        run = drift(host.project)
        stage = drift(host.project, "stage")
    assert run.exit_code == 1
    assert "No connection to sandbox:1: port 1 refuses connections" in run.output
    assert "Traceback" not in run.output
    # As far as the inventory says, prod moved away and left everything behind.
    assert stage.exit_code == 2
    assert "left over: unit /etc/systemd/system/billing_prod.service" in stage.output
    assert all(line.startswith("sandbox: left over: ") for line in stage.output.splitlines())


def test_the_documented_timer(host: Host) -> None:
    """As it stands in docs/drift.md, systemd finds nothing to say about it."""
    text = (CHECKOUT / "docs/drift.md").read_text()
    units = dict(re.findall(r"`(/etc/systemd/system/deploy-drift\.\w+)`:\n\n```ini\n(.*?)```", text, re.DOTALL))
    assert [path.rpartition(".")[2] for path in units] == ["service", "timer"]
    host.machine.run("mkdir -p /srv/deploy/.venv/bin && ln -s /bin/true /srv/deploy/.venv/bin/python")
    for path, content in units.items():
        host.machine.run(f"cat > {path}", stdin=content)
    verified = host.machine.run(f"systemd-analyze verify {' '.join(units)}")
    assert verified.stdout + verified.stderr == ""
