"""Applies to a bare machine, and repeated applies."""

import base64
from pathlib import Path

import pytest

from tests import debs
from tests.host.conftest import BOOKWORM, Host, Prepared
from tests.host.german import speak_german
from tests.host.project import Project
from tests.host.web import get
from tests.sandbox.machine import Machine, boot


@pytest.mark.each_release
def test_a_plan_on_a_bare_host_lists_what_the_first_apply_does(prepared: Prepared) -> None:
    assert prepared.planned["Machine: packages"] == ["stage"]
    for operation in (
        "PostgreSQL role",
        "PostgreSQL database",
        "Secret file and database password",
        "Erlang cookie",
        "Unit",
        "Site",
        "Bash aliases",
    ):
        assert prepared.planned[operation] == ["prod", "stage"]
    assert prepared.planned["Site: self-signed certificate"] == ["prod"]


@pytest.mark.everything
@pytest.mark.parametrize("debian", ["trixie", "bookworm"])
def test_both_environments_at_once_from_bare(debian: str, vaults: Path, tmp_path: Path) -> None:
    """Once more, after the two machines that the other modules start from: no race. Packages in the way stay."""
    project = Project.copy(tmp_path / "project", vaults)
    with boot(release=debian, directory=project.sandbox) as machine:
        installed = "dpkg-query --show --showformat '${Package}\\n'"
        install(machine, tmp_path, "esl-erlang", Conflicts="erlang-base", Provides="erlang-base")
        install(machine, tmp_path, "needs-erlang", Depends="esl-erlang")
        before = machine.run(installed).stdout
        for run in (project.make("plan"), project.make("apply", "YES=1"), project.apply()):
            assert run.exit_code != 0
            assert "apt would remove esl-erlang (1), needs-erlang (1)" in run.output.replace(
                "needs-erlang (1), esl-erlang (1)", "esl-erlang (1), needs-erlang (1)"
            )
            assert "Traceback" not in run.output
        assert machine.run(installed).stdout == before
        machine.run("dpkg --purge needs-erlang esl-erlang")
        plan = project.make("plan").require_success().output
        project.apply().require_success()
        after = machine.run("dpkg-query --show --showformat '${Package}\n'").stdout.split()
        assert {"nginx", "nginx-common", "erlang-base"} <= set(after)
        assert [package for package in set(after) - set(before.split()) if package not in plan] == []
        assert project.planned() == {}


def install(machine: Machine, directory: Path, name: str, **fields: str) -> None:
    """Install a package of somebody else."""
    package = debs.make(directory, name, **fields)
    encoded = base64.b64encode(package.read_bytes()).decode()
    machine.run(f"base64 -d > /root/{name}.deb && dpkg --install /root/{name}.deb", stdin=encoded)


@pytest.mark.everything
def test_a_run_killed_at_any_moment_is_finished_by_the_next(vaults: Path, tmp_path: Path, everything: bool) -> None:
    """Killed while packages are unpacked, configured, and later; what the host was doing goes on or dies by itself."""
    project = Project.copy(tmp_path / "project", vaults)
    with boot(directory=project.sandbox):
        for seconds in (3, 5, 8, 3, 4) if everything else (4, 8):
            project.killed_apply(after=seconds)
        project.apply().require_success()
        assert project.planned() == {}


# As with ipv6.disable=1: no address, and no socket for nginx.
NO_IPV6 = """\
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 && mkdir -p /etc/systemd/system/nginx.service.d
printf '[Service]\\nRestrictAddressFamilies=~AF_INET6\\n' > /etc/systemd/system/nginx.service.d/ipv6.conf
systemctl daemon-reload
"""


@pytest.mark.everything
@pytest.mark.parametrize("debian", ["trixie", "bookworm"])
def test_a_bare_machine_without_ipv6_whose_root_has_another_umask(debian: str, vaults: Path, tmp_path: Path) -> None:
    project = Project.copy(tmp_path / "project", vaults)
    with boot(release=debian, directory=project.sandbox) as machine:
        machine.run(NO_IPV6)
        machine.run("echo 'Defaults umask=077, umask_override' > /etc/sudoers.d/umask")
        project.apply().require_success()
        assert get(machine.address, "stage.billing.example.com").status == 502
        assert machine.run("ls /usr/sbin/policy-rc.d", check=False).returncode == 2
        assert project.planned() == {}


@pytest.mark.everything
def test_one_environment_after_the_other(vaults: Path, tmp_path: Path) -> None:
    """`--limit` as typed: the machine is prepared for both by whichever comes first."""
    project = Project.copy(tmp_path / "project", vaults)
    with boot(directory=project.sandbox) as machine:
        project.apply("--limit", "prod").require_success()
        assert machine.run("ls /etc/nginx/sites-enabled").stdout.split() == ["billing_prod", "default-server"]
        assert not any(name.startswith("Machine") for name in project.applied("--limit", "stage"))
        assert project.planned() == {}


def test_second_run_of_each_kind_changes_nothing(host: Host) -> None:
    assert host.project.planned() == {}
    for arguments in ([], ["--limit", "stage"], ["--limit", "prod"]):
        assert host.project.applied(*arguments) == {}


@pytest.mark.everything
def test_a_reboot_changes_nothing_and_german_neither(host: Host) -> None:
    """From here on the machine of this module speaks German."""
    speak_german(host.machine)
    assert host.project.planned() == {}
    host.machine.reboot()
    services = ["nginx", "postgresql", "billing_stage-epmd.socket"]
    assert host.machine.run(f"systemctl is-active {' '.join(services)}").stdout.split() == ["active"] * 3
    assert host.machine.run("systemctl --failed --no-legend").stdout == ""
    assert "LANG=de_DE.UTF-8" in host.machine.run("systemctl show-environment").stdout
    assert host.project.planned() == {}
    for command in ("drift", "status", "doctor", "releases"):
        run = host.project.make(command)
        assert "Traceback" not in run.output
        if command == "drift":
            run.require_success()


@BOOKWORM
def test_debug_inventory_shows_no_secret(host: Host) -> None:
    shown = host.project.pyinfra("debug-inventory").require_success().output
    assert "stage.billing.example.com" in shown
    values = [*host.project.secrets("stage").values(), *host.project.secrets("prod").values()]
    assert [value for value in values if value in shown] == []


@BOOKWORM
def test_another_distribution_is_refused_by_name(host: Host) -> None:
    machine = host.machine
    machine.run("cp --remove-destination /usr/lib/os-release /etc/os-release && sed -i -e 's/^ID=.*/ID=ubuntu/' "
                "-e 's/^NAME=.*/NAME=Ubuntu/' -e 's/^VERSION_ID=.*/VERSION_ID=\"24.04\"/' /etc/os-release")  # fmt: skip
    run = host.project.apply()
    machine.run("ln -sf ../usr/lib/os-release /etc/os-release")
    assert run.exit_code == 1
    assert "runs Ubuntu 24: only Debian 12 and 13 are supported" in run.output
    assert "Traceback" not in run.output


@BOOKWORM
def test_bad_data_is_refused_before_anything_changes(restored: Host) -> None:
    files = "find /etc /var/*.exs /home -printf '%p %C@\\n' | sort"
    before = restored.machine.run(files).stdout
    restored.project.edit("stage", prot=4005, memory_limit="lots", cpu_weight=77)
    run = restored.project.apply()
    assert run.exit_code == 1
    assert "prot = 4005: no such setting; did you mean port? (group_data/stage.py)" in run.output
    assert "memory_limit = 'lots': input should be a valid integer. MemoryMax of the unit in MiB" in run.output
    assert "Traceback" not in run.output
    assert restored.machine.run(files).stdout == before
    assert "CPUWeight=20" in restored.machine.run("cat /etc/systemd/system/billing_stage.service").stdout


@pytest.mark.everything
@BOOKWORM
def test_a_missing_vault_names_the_command_that_makes_it(host: Host) -> None:
    vault = host.project.sandbox / "vault/stage.age"
    sealed = vault.read_bytes()
    vault.unlink()
    run = host.project.apply()
    only_prod = host.project.apply("--limit", "prod")
    vault.write_bytes(sealed)
    assert run.exit_code == 1
    assert "make vault-init ENV=stage" in run.output
    assert "Traceback" not in run.output
    only_prod.require_success()


@pytest.mark.everything
@BOOKWORM
def test_make_plan_and_apply(restored: Host) -> None:
    project = restored.project
    restored.project.edit("stage", request_body_limit=9)
    plan = project.make("plan", "ENV=stage").require_success().output
    assert "client_max_body_size 9m;" in plan
    refused = project.make("apply", "ENV=stage")
    assert refused.exit_code != 0
    assert "YES=1" in refused.output
    assert project.planned() == {"Site": ["stage"]}
    project.make("apply", "ENV=stage", "YES=1").require_success()
    assert project.planned() == {}


@pytest.mark.everything
@BOOKWORM
def test_a_new_environment_takes_one_file_one_line_and_one_vault(host: Host) -> None:
    """As the README says it."""
    project = host.project
    project.run("cp", "group_data/stage.py", "group_data/qa.py").require_success()
    project.edit("qa", environment="qa", domain="qa.billing.example.com", port=4002, aliases={})
    inventory = project.path / "inventory.py"
    inventory.write_text(inventory.read_text() + 'qa = [("qa", machine(HOST))]\n')
    project.make("vault-init", "ENV=qa").require_success()
    project.make("apply", "ENV=qa", "YES=1").require_success()
    machine = host.machine
    assert "billing_qa" in machine.run("ls /etc/nginx/sites-enabled").stdout
    assert machine.run("systemctl is-enabled billing_qa.service").stdout == "enabled\n"
    assert "billing_qa" in machine.run("cd / && psql -XAtl", user="postgres").stdout
    assert project.planned() == {}
