"""A changed database password of a running environment, while clients connect with the release's password."""

import re
from collections.abc import Iterator

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.releases import main_pid, page, wait_for_page

# The order of file, password and restart does not depend on the release; what each of them does is tested on both.
pytestmark = BOOKWORM

SECRET = "/var/stage.secret.exs"
VARIABLES = "/var/lib/billing_stage/variables.secret"
STEP = "Secret file and database password"

# The application's pool in one loop: it connects all the time with the password it read at its start, which is when the
# unit was last started. Written are the moment, the process it stands for, and whether PostgreSQL let it in.
CLIENT = r"""
process=
while :; do
    now=$(systemctl show --property MainPID --value billing_stage.service)
    if [ "$now" != "$process" ] && [ "$now" != 0 ]; then
        process=$now
        PGPASSWORD=$(sed -n 's/^  password: "\(.*\)",$/\1/p' /var/stage.secret.exs)
        export PGPASSWORD
    fi
    if psql --no-psqlrc -qAt -h 127.0.0.1 -U billing_stage -d billing_stage -c 'SELECT 1' >/dev/null 2>/tmp/refusal; then
        echo "$(date +%s%N) in"
    else
        echo "$(date +%s%N) $(tr '\n' ' ' < /tmp/refusal)"
    fi
done >> /tmp/connections
"""


@pytest.fixture
def connecting(running: Host) -> Iterator[Host]:
    """The machine with such a client at work."""
    machine = running.machine
    machine.run("cat > /root/client.sh && systemd-run --quiet --unit client bash /root/client.sh", stdin=CLIENT)
    yield running
    machine.run("systemctl stop client.service; rm -f /tmp/connections /root/client.sh")


@pytest.mark.everything
def test_a_plan_names_the_key_and_what_it_needs_and_no_value(running: Host) -> None:
    project = running.project
    project.edit("stage", secret_variables=["STRIPE_KEY"])
    project.set_secrets(
        "stage", database_password="correct-horse-battery", mailer_key="swordfish", STRIPE_KEY="swordfish-2"
    )
    output = project.make("plan", "ENV=stage").require_success().output
    assert (
        f"Will change {SECRET}: key database_password differs, key mailer_key differs; a running release restarts"
        in output
    )
    assert (
        f"Will change {VARIABLES}: variable DATABASE_URL differs, variable STRIPE_KEY differs; a running release restarts"
        in output
    )
    assert "Will restart billing_stage.service" in output
    assert not re.search("correct-horse|swordfish", output)
    project.edit("stage", memory_limit=700, release_tool="distillery")
    output = project.make("plan", "ENV=stage").require_success().output
    project.edit("stage", memory_limit=512, release_tool=None)
    assert (
        f"Will change {SECRET}: key database_password differs, key mailer_key differs, what group data says in it differs; "
        "build and deploy a new release: the running one keeps what it was built with" in output
    )


def test_a_rotation_loses_no_connection_but_between_the_change_and_the_restart(connecting: Host) -> None:
    machine, project = connecting.machine, connecting.project
    project.set_secrets("stage", database_password="horse-battery-staple")
    before = main_pid(machine, "stage")
    assert set(project.applied("--limit", "stage")) == {STEP, "Unit: running application restarts"}
    wait_for_page(machine, "stage")
    assert main_pid(machine, "stage") != before
    machine.run("sleep 1; systemctl stop client.service")
    lines = [line.split(" ", 1) for line in machine.run("cat /tmp/connections").stdout.splitlines()]
    refused = [int(moment) for moment, said in lines if said != "in"]
    print(f"{len(lines)} connections, {len(refused)} refused")
    assert len(lines) > 30
    assert all("password authentication failed" in said for _, said in lines if said != "in")
    # Refusals lie in one stretch, and it ends: those who came before and after were all let in.
    moments = [int(moment) for moment, _ in lines]
    if refused:
        stretch = [moment for moment in moments if refused[0] <= moment <= refused[-1]]
        assert stretch == refused
        print(f"refused for {(refused[-1] - refused[0]) / 1e9:.2f} s")
        assert len(refused) < len(lines) / 2
    assert lines[-1][1] == "in"
    assert page(machine, "stage").status == 200
    assert project.planned() == {}


FAILURES = {
    "PostgreSQL refuses the password": (
        "sudo -u postgres psql -qc 'ALTER SYSTEM SET default_transaction_read_only = on' -c 'SELECT pg_reload_conf()'",
        "sudo -u postgres psql -qc 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()'",
    ),
    "the secret file cannot be replaced": (f"mount --bind {SECRET} {SECRET}", f"umount {SECRET}"),
    "the variables cannot be replaced": (f"mount --bind {VARIABLES} {VARIABLES}", f"umount {VARIABLES}"),
    "there is no room for the second file": (
        "mount -t tmpfs -o size=8m none /mnt && cp -a /var/lib/billing_stage/. /mnt && "
        "{ cat /dev/zero > /mnt/full; mount --bind /mnt /var/lib/billing_stage; } 2> /dev/null",
        "umount /var/lib/billing_stage && umount /mnt",
    ),
}


@pytest.mark.everything
@pytest.mark.parametrize("failure", FAILURES)
def test_files_and_password_change_together_or_not_at_all(running: Host, failure: str) -> None:
    machine, project = running.machine, running.project
    fail, mend = FAILURES[failure]
    login = "psql --no-psqlrc -qAt -h 127.0.0.1 -U billing_stage -d billing_stage -c 'SELECT current_user'"
    command = f"PGPASSWORD=$(sed -n 's/^  password: \"\\(.*\\)\",$/\\1/p' {SECRET}) {login}"
    before = machine.run(f"cat {SECRET} {VARIABLES}").stdout
    project.set_secrets("stage", database_password=f"password-{len(failure)}")
    machine.run(fail)
    run = project.apply("--limit", "stage")
    there = machine.run(f"cat {SECRET} {VARIABLES}").stdout
    inside = machine.run(command, check=False).stdout
    machine.run(mend)
    assert run.exit_code == 1, run.output
    assert there == before
    assert inside == "billing_stage\n"
    assert machine.run(f"ls -d {SECRET}.* {VARIABLES}.*", check=False).stdout == ""
    project.apply("--limit", "stage").require_success()
    assert machine.run(command).stdout == "billing_stage\n"
    for file in (SECRET, VARIABLES):
        assert f"password-{len(failure)}" in machine.run(f"cat {file}").stdout
    wait_for_page(machine, "stage")
