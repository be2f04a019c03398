"""Deploys without questions: no terminal, no agent, an empty home; only data says how to log in."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.host.conftest import BOOKWORM, Host
from tests.host.project import CHECKOUT, Project, Run
from tests.host.terminal import terminal

# Reaching a machine does not depend on its release.
pytestmark = BOOKWORM

# Seconds after which a job that asks somebody, who is not there, is taken to hang.
PATIENCE = 60

Job = Callable[..., Run]


@pytest.fixture(scope="module")
def team(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A project of a team's own server: its address, its key in known_hosts, its vaults in vault/."""
    project = Project.copy(tmp_path_factory.mktemp("team") / "project", host.project.sandbox / "vault")
    inventory = project.path / "inventory.py"
    inventory.write_text(inventory.read_text().replace('HOST = "sandbox"', f'HOST = "{host.machine.address}"'))
    for file in project.sandbox.joinpath("vault").iterdir():
        file.rename(project.path / "vault" / file.name)
    project.sandbox.joinpath("vault").rmdir()
    (project.path / "vault/identity.txt").rename(project.path.parent / "vault_identity")
    project.sandbox.rmdir()
    # What docs/ci.md says of the key's line in authorized_keys.
    host.machine.run("sed -i 's/^ssh-/restrict ssh-/' /home/devops/.ssh/authorized_keys")
    yield Host(host.machine, project)
    host.machine.run("sed -i 's/^restrict //' /home/devops/.ssh/authorized_keys")


@pytest.fixture
def job(team: Host, host: Host, tmp_path: Path) -> Job:
    """Runs a shell command as a CI job does: a session without terminal, and only the variables given."""
    known_hosts = team.project.path / "known_hosts"
    known_hosts.write_text((host.project.sandbox / "known_hosts").read_text())
    home = tmp_path / "home"
    home.mkdir()

    def run(command: str, **variables: str | Path) -> Run:
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "SSH_IDENTITY_FILE": host.project.sandbox / "id_ed25519",
            "VAULT_IDENTITY": (team.project.path.parent / "vault_identity").read_text(),
        }
        # An empty value stands for one that is not set.
        values = {name: str(value) for name, value in (environment | variables).items() if str(value)}
        result = subprocess.run(
            ["bash", "-euc", command],
            cwd=team.project.path,
            env=values,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
            start_new_session=True,
        )
        # What pyinfra was asked, for the next run: nothing that a job must keep.
        written = [path for path in home.rglob("*") if path.is_file()]
        assert {path.parent for path in written} <= {home / ".cache/pyinfra-snapshot"}, "more was written into the home"
        return Run(result.returncode, result.stdout)

    return run


def refused(run: Callable[[], Run], says: str) -> None:
    """The run ends with 1, says this, and shows neither a question nor a traceback."""
    result = run()
    assert result.exit_code == 1, result.output
    assert says in result.output
    for wrong in ("Traceback", "password", "[y/n]"):
        assert wrong not in result.output
    assert "Starting operation" not in result.output


PYINFRA = ".venv/bin/pyinfra inventory.py deploy.py --yes"


@pytest.mark.everything
def test_plan_and_apply_with_everything_given(job: Job, team: Host) -> None:
    team.project.edit("stage", memory_limit=515)
    assert "This would change:\n  Unit: stage" in job("make plan").require_success().output
    job("make apply YES=1").require_success()
    assert "MemoryMax=515M" in team.machine.run("cat /etc/systemd/system/billing_stage.service").stdout
    assert "Nothing would change." in job("make plan").require_success().output


def test_a_key_out_of_a_secret_variable(job: Job, host: Host, tmp_path: Path) -> None:
    """By docs/ci.md's line, which makes it a file nobody else can read, and by an agent."""
    key = (host.project.sandbox / "id_ed25519").read_text().removesuffix("\n")
    file = tmp_path / "ssh_identity"
    documented = set(re.findall(r"- run: (install .*)", (CHECKOUT / "docs/ci.md").read_text()))
    assert len(documented) == 1
    job(f"umask 022; {documented.pop()}", SSH_IDENTITY=key, SSH_IDENTITY_FILE=file).require_success()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "Nothing would change." in job("make plan", SSH_IDENTITY_FILE=file).require_success().output
    agent = 'eval "$(ssh-agent)"; trap "ssh-agent -k" EXIT; ssh-add - <<< "$SSH_IDENTITY"; make plan'
    assert "Nothing would change." in job(agent, SSH_IDENTITY=key, SSH_IDENTITY_FILE="").require_success().output


def test_a_machine_whose_key_is_not_pinned_is_refused(job: Job, team: Host) -> None:
    known_hosts = team.project.path / "known_hosts"
    known_hosts.write_text("")
    refused(lambda: job(PYINFRA), f"known_hosts has no key of {team.machine.address}")
    assert known_hosts.read_text() == ""
    known_hosts.unlink()
    refused(lambda: job(PYINFRA), "ssh_known_hosts_file = 'known_hosts': there is no ")
    assert not known_hosts.exists()


def test_a_machine_with_another_key_than_the_pinned_one_is_refused(job: Job, team: Host, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (team.project.path / "known_hosts").write_text(f"{team.machine.address} {other}\n")
    refused(lambda: job(PYINFRA), "its host key is not the one in known_hosts")


def test_a_key_that_cannot_log_in_is_refused(job: Job, tmp_path: Path) -> None:
    make_key(tmp_path / "other")
    make_key(tmp_path / "locked", passphrase="secret")
    (tmp_path / "half").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    for file, says in {
        tmp_path / "nothing": "SSH_IDENTITY_FILE: there is no",
        tmp_path / "half": "holds no private key that can be read",
        tmp_path / "locked": "has a passphrase, and nobody may be there to type it",
        tmp_path / "other": f"devops gets in with none of these keys: {tmp_path / 'other'}",
    }.items():
        refused(lambda file=file: job(PYINFRA, SSH_IDENTITY_FILE=file), says)  # type: ignore[misc]
    refused(lambda: job(PYINFRA, SSH_IDENTITY_FILE=""), "there is no key to log in with as devops")


def test_a_vault_without_its_key_is_refused(job: Job) -> None:
    refused(lambda: job(PYINFRA, VAULT_IDENTITY=""), "no key to open vault/")


def test_sudo_that_asks_for_a_password_is_refused(job: Job, team: Host) -> None:
    team.machine.run("sed -i 's/NOPASSWD://' /etc/sudoers.d/devops")
    result = job(PYINFRA)
    team.machine.run("sed -i 's/ALL$/NOPASSWD:ALL/' /etc/sudoers.d/devops")
    assert result.exit_code == 1
    assert "sudo wants a password of devops" in result.output
    assert "Traceback" not in result.output
    assert "Starting operation" not in result.output


@contextmanager
def changed(team: Host, change: str, back: str) -> Iterator[None]:
    """A machine that is otherwise for the block."""
    team.machine.run(change)
    try:
        yield
    finally:
        team.machine.run(back)


ASKS = "sed -i 's/NOPASSWD://' /etc/sudoers.d/devops", "sed -i 's/ALL$/NOPASSWD:ALL/' /etc/sudoers.d/devops"
COMMANDS = ("status", "doctor", "releases", "ping", "logs ENV=stage", "plan")


@pytest.mark.everything
@pytest.mark.parametrize(
    ("change", "back", "says"),
    [
        (*ASKS, "sudo wants a password of devops"),
        (
            "echo 'Defaults requiretty' > /etc/sudoers.d/tty", "rm /etc/sudoers.d/tty",
            "sudo serves terminals alone (requiretty in sudoers)",
        ),
        ("echo exit 3 > /tmp/rc; cat /home/devops/.bashrc >> /tmp/rc; cp /tmp/rc /home/devops/.bashrc",
         "sed -i 1d /home/devops/.bashrc", "the login shell of devops runs no command"),
        ("usermod -s /usr/sbin/nologin devops", "usermod -s /bin/bash devops",
         "the login shell of devops runs no command: This account is currently not available"),
    ],
)  # fmt: skip
def test_each_odd_login_is_told_by_every_command(job: Job, team: Host, change: str, back: str, says: str) -> None:
    with changed(team, change, back):
        for command in COMMANDS:
            result = job(f"make {command}")
            assert result.exit_code, command
            assert "Traceback" not in result.output, result.output
            assert "sudo password:" not in result.output, result.output
            if not (command.startswith("logs") and "login shell" in says):
                assert says in result.output, (command, result.output)


@pytest.mark.everything
def test_a_shell_that_prints_changes_no_answer(job: Job, team: Host) -> None:
    noise = "echo 'welcome home'; echo 'and mind the gap' >&2"
    with changed(team, f'sed -i "1i {noise}" /home/devops/.bashrc', "sed -i 1d /home/devops/.bashrc"):
        assert "Nothing would change." in job("make plan").require_success().output
        for command in ("ping", "logs stage --no-follow", "rpc stage 1"):
            assert "welcome" not in job(f".venv/bin/python -m commands {command}").output


@pytest.mark.everything
def test_a_password_for_sudo_is_typed(team: Host, host: Host) -> None:
    """With pyinfra's own options, each once for a machine."""
    command = ["env", f"SSH_IDENTITY_FILE={host.project.sandbox / 'id_ed25519'}",
               f"VAULT_IDENTITY_FILE={team.project.path.parent / 'vault_identity'}",
               ".venv/bin/pyinfra", "inventory.py", "deploy.py", "--dry"]  # fmt: skip
    (team.project.path / "known_hosts").write_text((host.project.sandbox / "known_hosts").read_text())
    with changed(team, f"{ASKS[0]}; echo devops:typed | chpasswd", f"{ASKS[1]}; passwd -q -d devops"):
        for option, asked in {
            "--same-sudo-password": "sudo password: ",
            "--use-sudo-password": "sudo password of dev",
        }.items():
            with terminal([*command, option], team.project.path) as run:
                run.wait_for(asked)
                run.type("typed\r")
                run.wait_for("Detected changes")
                run.finish()
        with terminal([*command, "--use-sudo-password"], team.project.path) as run:
            run.wait_for("sudo password of dev")
            run.type("wrong\r")
            run.wait_for("the password is not the right one for sudo of devops")


def make_key(path: Path, passphrase: str = "") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
