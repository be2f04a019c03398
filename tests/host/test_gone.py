"""What group data no longer asks for goes away from the host, in a plan first; what holds data stays."""

from typing import Any

import pytest

from tests.host.conftest import Host
from tests.host.releases import main_pid, prop, rpc, wait_for_page

# That the files themselves are right for each release is tested with their own modules.
pytestmark = pytest.mark.parametrize("release", ["bookworm"], indirect=True, scope="session")

BLOCK = "sed -n '/BEGIN billing_stage/,/END billing_stage/p' /home/billing/.bash_aliases"
VARIABLES = "cat /etc/default/billing_stage"
RESTARTS = "Unit: running application restarts"
EXTENSIONS = "psql -qAt -d billing_stage -c \"SELECT extname FROM pg_extension WHERE extname = 'hstore'\""

# Setting, value it had, command that shows it on the host, and the steps that take it away.
SETTINGS: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "alias": ({"aliases": {"extra": "true"}}, BLOCK, {"Bash aliases"}),
    "variable": ({"unit_environment": {"EXTRA": "1"}}, VARIABLES, {"Unit: variables", RESTARTS}),
    "deployment_config": ({"deployment_config": "extra"}, VARIABLES, {"Unit: variables", RESTARTS}),
    "elixir": (
        {"secret_file_extra": "config :billing, extra: 1"},
        "cat /var/stage.secret.exs",
        {"Secret file and database password", RESTARTS},
    ),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_is_taken_back(running: Host, setting: str) -> None:
    machine, project = running.machine, running.project
    settings, show, steps = SETTINGS[setting]
    before = machine.run(show).stdout
    saved = (project.path / "group_data/stage.py").read_text()
    project.edit("stage", **settings)
    project.apply("--limit", "stage").require_success()
    assert "extra" in machine.run(show).stdout.lower()
    (project.path / "group_data/stage.py").write_text(saved)
    planned = project.planned("--limit", "stage")
    assert set(planned) == steps
    assert project.applied("--limit", "stage") == planned
    assert machine.run(show).stdout == before
    assert project.planned() == {}


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


def test_appsignal_switched_off(running: Host) -> None:
    """Its directory goes with what the agent had not sent yet, and comes back empty."""
    machine, project = running.machine, running.project
    machine.run("touch /home/billing/stage/appsignal/agent.lock", user="billing")
    project.edit("stage", appsignal=False)
    planned = project.planned("--limit", "stage")
    assert set(planned) == {"AppSignal directory", "Unit: variables", RESTARTS}
    assert project.applied("--limit", "stage") == planned
    assert "appsignal" not in machine.run("ls /home/billing/stage; cat /etc/default/billing_stage").stdout.lower()
    assert project.planned() == {}
    project.edit("stage", appsignal=None)
    assert set(project.applied("--limit", "stage")) == set(planned)
    assert machine.run("ls -A /home/billing/stage/appsignal").stdout == ""


# What systemctl edit calls with its file as the last argument.
EDITOR = """\
#!/bin/sh
for file; do :; done
printf '[Service]\\nMemoryMax=700M\\n' > "$file"
"""
EDIT = "SYSTEMD_EDITOR=/root/editor script -qec 'systemctl edit {} billing_stage.service' /dev/null"
DROP_INS = {
    "systemctl edit": EDIT.format(""),
    "systemctl edit --runtime": EDIT.format("--runtime"),
    "systemctl set-property": "systemctl set-property billing_stage.service MemoryMax=700M",
    "by hand, unread": "cd /etc/systemd/system && mkdir billing_stage.service.d"
    " && printf '[Service]\nMemoryMax=700M\n' > billing_stage.service.d/override.conf",
}


@pytest.mark.parametrize("way", DROP_INS)
def test_an_addition_to_the_unit(running: Host, way: str) -> None:
    machine, project = running.machine, running.project
    machine.run("cat > /root/editor && chmod 755 /root/editor", stdin=EDITOR)
    machine.run(DROP_INS[way])
    before, read = main_pid(machine, "stage"), "unread" not in way
    planned = project.planned("--limit", "stage")
    assert set(planned) == {"Unit: without drop-ins"} | ({"Unit: systemd reloads", RESTARTS} if read else set())
    assert project.applied("--limit", "stage") == planned
    assert prop(machine, "stage", "DropInPaths") == ""
    assert prop(machine, "stage", "MemoryMax") == str(512 << 20)
    assert (main_pid(machine, "stage") != before) == read
    assert project.planned() == {}


def test_what_holds_data_stays(running: Host) -> None:
    """An extension, and a database that is managed elsewhere from now on: apply leaves them to a person."""
    machine, project = running.machine, running.project
    project.edit("stage", database_extensions=["citext", "hstore"])
    assert set(project.applied("--limit", "stage")) == {"PostgreSQL extensions"}
    project.edit("stage", database_extensions=["citext"])
    assert project.planned("--limit", "stage") == {}
    assert machine.run(EXTENSIONS, user="postgres").stdout == "hstore\n"
    project.edit("stage", database_managed=False)
    assert not [step for step in project.applied("--limit", "stage") if step.startswith("PostgreSQL")]
    assert machine.run(EXTENSIONS, user="postgres").stdout == "hstore\n"
