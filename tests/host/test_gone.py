"""Things that group data no longer asks for: a plan shows their removal, an apply removes them, and data stays."""

import shutil
import sys
from typing import Any

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import EXAMPLE
from tests.host.releases import main_pid, prop, rpc, wait_for_page

# That the files themselves are right for each release is tested with their own modules.
pytestmark = BOOKWORM

BLOCK = "sed -n '/BEGIN billing_stage/,/END billing_stage/p' /home/billing/.bash_aliases"
VARIABLES = "cat /etc/default/billing_stage"
PROGRAM = "Release: settings of the switch"
RESTARTS = "Unit: running application restarts"
EXTENSIONS = "psql -qAt -d billing_stage -c \"SELECT extname FROM pg_extension WHERE extname = 'hstore'\""

# What a setting was, what of it is then on the host, the command that shows it, and the step that takes it away.
SETTINGS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"aliases": {"extra": "true"}}, "alias extra=", BLOCK, "Bash aliases"),
    ({"unit_environment": {"EXTRA": "1"}}, "EXTRA=", VARIABLES, "Unit: variables"),
    ({"domain": "other.example.com"}, "PHX_HOST=other.example.com", VARIABLES, "Site"),
    ({"deployment_config": "other"}, "DEPLOYMENT_CONFIG=", VARIABLES, "Unit: variables"),
    (
        {"secret_file_extra": "config :billing, extra: 1"},
        "extra: 1",
        "cat /var/stage.secret.exs",
        "Secret file and database password",
    ),
]


@pytest.mark.everything
def test_settings_that_are_taken_back(running: Host) -> None:
    machine, project = running.machine, running.project
    path = project.path / "group_data/stage.py"
    saved, before = path.read_text(), {show: machine.run(show).stdout for _, _, show, _ in SETTINGS}
    for settings, *_ in SETTINGS:
        project.edit("stage", **settings)
    project.apply("--limit", "stage").require_success()
    assert [text for _, text, show, _ in SETTINGS if text not in machine.run(show).stdout] == []
    path.write_text(saved)
    planned = project.planned("--limit", "stage")
    assert set(planned) == {RESTARTS, PROGRAM, "Site: page while no release answers", *(step for *_, step in SETTINGS)}
    assert project.applied("--limit", "stage") == planned
    assert {show: machine.run(show).stdout for show in before} == before
    assert project.planned() == {}


@pytest.mark.everything
def test_a_secret_that_is_taken_out_of_the_vault(running: Host) -> None:
    project = running.project
    vault = project.sandbox / "vault/stage.age"
    saved = vault.read_bytes()
    project.set_secrets("stage", old_api_key="swordfish")
    project.apply("--limit", "stage").require_success()
    wait_for_page(running.machine, "stage")
    assert rpc(running.machine, "stage", "IO.puts(Application.get_env(:billing, :old_api_key))") == "swordfish\n"
    vault.write_bytes(saved)
    assert "key old_api_key differs" in project.make("plan", "ENV=stage").output
    project.apply("--limit", "stage").require_success()
    wait_for_page(running.machine, "stage")
    assert rpc(running.machine, "stage", "IO.inspect(Application.get_env(:billing, :old_api_key))") == "nil\n"


@pytest.mark.everything
def test_appsignal_switched_off(running: Host) -> None:
    """Its directory goes with what the agent had not sent yet, and comes back empty; the key is no longer told either."""
    machine, project = running.machine, running.project
    vault = project.sandbox / "vault/stage.age"
    saved = vault.read_bytes()
    project.set_secrets("stage", appsignal_push_api_key="swordfish")
    project.apply("--limit", "stage").require_success()
    assert "push_api_key" in machine.run("cat /var/stage.secret.exs").stdout
    machine.run("touch /home/billing/stage/appsignal/agent.lock")
    project.edit("stage", appsignal=False)
    planned = project.planned("--limit", "stage")
    assert set(planned) == {"Root directory", "Unit: variables", "Secret file and database password", RESTARTS}
    assert project.applied("--limit", "stage") == planned
    left = machine.run("ls /home/billing/stage; cat /etc/default/billing_stage /var/stage.secret.exs").stdout
    assert "appsignal" not in left.lower()
    assert project.planned() == {}
    project.edit("stage", appsignal=None)
    assert set(project.applied("--limit", "stage")) == set(planned)
    assert machine.run("ls -A /home/billing/stage/appsignal").stdout == ""
    vault.write_bytes(saved)
    project.apply("--limit", "stage").require_success()


# What systemctl edit calls with its file as the last argument.
EDITOR = """\
#!/bin/sh
for file; do :; done
printf '[Service]\\nMemoryMax=700M\\n' > "$file"
"""
EDIT = "SYSTEMD_EDITOR=/root/editor script -qec 'systemctl edit {} billing_stage.service' /dev/null"
# What somebody types, and how many additions systemd has read then. Of two files with one name it reads that in /etc alone.
ADDITIONS = {
    "systemctl edit": ([EDIT.format("")], 1),
    "systemctl edit --runtime, set-property": (
        [
            EDIT.format("--runtime"),
            "systemctl set-property billing_stage.service MemoryMax=700M",
            "systemctl set-property --runtime billing_stage.service CPUWeight=70",
        ],
        3,
    ),
    "by hand, unread": (
        [
            "mkdir /etc/systemd/system/billing_stage.service.d",
            "printf '[Service]\nMemoryMax=700M\n' > /etc/systemd/system/billing_stage.service.d/override.conf",
        ],
        0,
    ),
}


@pytest.mark.everything
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=[] if way == "systemctl edit" else [pytest.mark.everything]) for way in ADDITIONS]
)
def test_additions_to_the_unit(running: Host, way: str) -> None:
    commands, read = ADDITIONS[way]
    machine, project = running.machine, running.project
    machine.run("cat > /root/editor && chmod 755 /root/editor", stdin=EDITOR)
    for command in commands:
        machine.run(command)
    before = main_pid(machine, "stage")
    assert len(prop(machine, "stage", "DropInPaths").split()) == read
    planned = project.planned("--limit", "stage")
    assert set(planned) == {"Unit: without drop-ins"} | ({"Unit: systemd reloads", RESTARTS} if read else set())
    assert project.applied("--limit", "stage") == planned
    assert prop(machine, "stage", "DropInPaths") == ""
    assert prop(machine, "stage", "MemoryMax") == str(512 << 20)
    assert (main_pid(machine, "stage") != before) == bool(read)
    assert project.planned() == {}


@pytest.mark.everything
def test_data_stays(running: Host) -> None:
    """An extension, and a database that is managed elsewhere from now on: apply leaves them to a person."""
    machine, project = running.machine, running.project
    project.edit("stage", database_extensions=["citext", "hstore"])
    # A restore makes the extensions in its new database, too.
    assert set(project.applied("--limit", "stage")) == {"PostgreSQL extensions", "Release: settings of the switch"}
    project.edit("stage", database_extensions=["citext"])
    assert set(project.applied("--limit", "stage")) == {"Release: settings of the switch"}
    assert machine.run(EXTENSIONS, user="postgres").stdout == "hstore\n"
    project.edit("stage", database_managed=False, database_host="db.example.com")
    # The application does not find a database there, and apply says so.
    run = project.apply("--limit", "stage")
    assert (run.exit_code, "FAILED: /health answered 503 through nginx" in run.output) == (1, True), run.output
    assert "Starting operation: PostgreSQL extensions" not in run.output
    assert machine.run(EXTENSIONS, user="postgres").stdout == "hstore\n"
    drift = project.run(sys.executable, "-m", "commands.drift", "stage").output.splitlines()
    assert [line.partition(" (as root")[0] for line in drift] == [
        "sandbox: left over: database billing_stage",
        "sandbox: left over: role billing_stage",
    ]


@pytest.mark.everything
def test_an_environment_is_destroyed(running: Host) -> None:
    """All of it, but not its last backup; the other one goes on. A name that is not typed changes nothing."""
    machine, project = running.machine, running.project
    shutil.copy(EXAMPLE / "group_data/stage.py", project.path / "group_data")
    project.edit("stage", indexed=True)
    project.apply("--limit", "stage")
    refused = project.make("destroy", "ENV=stage")
    assert "stage is public: group data has indexed = True. FORCE=1 destroys it all the same" in refused.output
    declined = project.run("make", "destroy", "ENV=stage", "FORCE=1", stdin="prod\n")
    assert (declined.exit_code, "Nothing was changed." in declined.output) == (2, True), declined.output
    for thing in (
        "unit /etc/systemd/system/billing_stage.service",
        "database billing_stage",
        "root directory /home/billing/stage",
    ):
        assert f"Destroy: {thing}" in declined.output
    main = main_pid(machine, "prod")
    run = project.run("make", "destroy", "ENV=stage", "FORCE=1", stdin="stage\n").require_success()
    assert "Destroyed stage: " in run.output
    assert "Delete here, and commit: stage in inventory.py and group_data/stage.py" in run.output
    dump = machine.run("ls /var/backups/billing_stage/backups/*-before-destroy.dump").stdout.strip()
    assert "dbname: billing_stage" in machine.run(f"pg_restore --list {dump}").stdout
    left = machine.run("find /etc /home /var/lib -xdev -name '*billing_stage*' -o -path /home/billing/stage").stdout
    assert left == "", left
    assert main_pid(machine, "prod") == main
    again = project.run("make", "destroy", "ENV=stage", "FORCE=1").require_success()
    assert "Nothing would change." in again.output
