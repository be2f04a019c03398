"""The checks through the real command line, in a copy of the project without a machine: nothing connects."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.project import Project
from tests.sandbox.vaults import IDENTITY, make_vaults
from tests.unit.sample import sample
from vault import store
from vault.keys import find_identities
from vault.recipients import read_recipients

STARTED = "--> Loading config...\n--> Loading inventory...\n"
FOOTER = "Nothing was changed. docs/group-data.md describes every setting, docs/troubleshooting.md every message.\n"
NO_ORDER = (
    "breaks the order of steps: a machine must be ready before any of its environments; leave it out (command line)"
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    vaults = tmp_path / "vaults"
    make_vaults(vaults, ["stage", "prod"])
    project = Project.copy(tmp_path / "project", vaults)
    (project.sandbox / "ssh_config").touch()
    return project


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--limit", "stagee"],
            "--limit stagee: there is no environment 'stagee' (did you mean stage?); there are: stage, prod (command line)",
        ),
        (["--serial"], f"--serial: {NO_ORDER}"),
        (["--no-wait"], f"--no-wait: {NO_ORDER}"),
        (
            ["--limit", "stage", "--data", "port=80"],
            "stage: port = 80: input should be greater than or equal to 1024. TCP port of the application on 127.0.0.1; "
            "prod 4000 and stage 4001 by convention. (--data)",
        ),
    ],
)
def test_options_are_refused_before_anything_connects(project: Project, arguments: list[str], line: str) -> None:
    run = project.pyinfra("deploy.py", "--yes", *arguments)
    assert run.output == f"{STARTED}1 problem:\n  {line}\n{FOOTER}"
    assert run.exit_code == 1


# What a person needs in an emergency, and the words that show that it began: nothing is there to connect to.
EMERGENCY = {
    "rollback": "onnection to sandbox", "restart": "onnection to sandbox",
    "logs": "onnection to sandbox", "ping": "onnection to sandbox", "releases": "onnection to sandbox",
    "status": "onnection to sandbox", "vault-show --key cookie": "", "vault-rotate --key cookie --yes": "prod.age",
}  # fmt: skip
TYPOS = {
    "an unknown key": 'environment = "stage"\nprot = 1\n',
    "a wrong value": "port = 1\n",
    "no Python": "port = = 1\n",
    "an error": "port = prot\n",
}


@pytest.mark.parametrize("typo", sample(TYPOS.values(), TYPOS["no Python"]), ids=TYPOS)
def test_a_typo_elsewhere_stops_nobody_in_an_emergency(project: Project, typo: str) -> None:
    stage = project.path / "group_data/stage.py"
    stage.write_text(stage.read_text() + typo)
    (project.sandbox / "ssh_config").write_text("Host *\n    ProxyCommand false\n")
    # One kind of typo with every command, the other kinds with the two ways in: pyinfra's and ours.
    every = typo == TYPOS["no Python"]
    for words, begun in (
        EMERGENCY.items() if every else [("rollback", EMERGENCY["rollback"]), ("logs", EMERGENCY["logs"])]
    ):
        name, *options = words.split()
        run = project.run(sys.executable, "-m", "commands", name, *options, "prod")
        assert "Warning: the group data of stage is wrong. This goes on without it; make check says why." in run.output
        assert begun in run.output, run.output
        assert "Traceback" not in run.output
    for arguments in (
        ["apply", "prod"],
        ["rollback", "stage"],
        ["ping"],
        ["logs", "stage"],
        ["vault-show", "--key", "cookie", "stage"],
        ["destroy", "prod"],
    )[: None if every else 2]:
        run = project.run(sys.executable, "-m", "commands", *arguments)
        assert "1 problem:\n  " in run.output, (arguments, run.output)
        assert "group_data/stage.py" in run.output


def test_from_another_directory_with_absolute_paths(project: Project, tmp_path: Path) -> None:
    (project.sandbox / "ssh_config").write_text("Host *\n    ProxyCommand false\n")
    environment = project.environment | {"PYTHONPATH": str(project.path)}

    def run(*command: str | Path, where: Path = tmp_path) -> str:
        done = subprocess.run(
            [*command], cwd=where, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )  # fmt: skip
        return done.stdout

    pyinfra = (sys.executable, "-m", "pyinfra")
    words = run(*pyinfra, project.path / "inventory.py", project.path / "deploy.py", "--limit", "stage", "--dry")
    assert "No connection to sandbox" in words
    words = run(*pyinfra, "../inventory.py", "../deploy.py", where=project.path / "deploys")
    assert f"Start pyinfra in {project.path}, or give it absolute paths. Nothing was changed." in words
    assert "2 environments on 1 machine: no problem" in run(sys.executable, "-m", "commands.check")
    assert "2 environments on 1 machine: no problem" in run("make", "-C", project.path, "check")
    makefile = project.path / "Makefile"
    assert f"This Makefile works in its own folder: make -C {project.path} check." in run(
        "make", "-f", makefile, "check"
    )


def test_bad_data_outside_the_limit_is_refused_and_can_be_looked_at(project: Project) -> None:
    project.edit("prod", prot=1)
    line = "prod: prot = 1: no such setting; did you mean port? (group_data/prod.py)"
    run = project.pyinfra("deploy.py", "--limit", "stage")
    assert (run.exit_code, run.output) == (1, f"{STARTED}1 problem:\n  {line}\n{FOOTER}")
    check = project.run(sys.executable, "-m", "commands.check")
    assert (check.exit_code, check.output) == (1, f"1 problem:\n  {line}\n{FOOTER}")
    assert '"prot": 1' in project.pyinfra("debug-inventory").require_success().output


def test_a_vault_counts_where_it_is_needed(project: Project) -> None:
    (project.sandbox / "vault/prod.age").write_bytes(b"no vault")
    damaged = ".sandbox/vault/prod.age is damaged or no age file"
    run = project.pyinfra("deploy.py", "--limit", "prod")
    line = f"prod: {damaged}: restore it, `git checkout -- .sandbox/vault/prod.age` (inventory.py)"
    assert (run.exit_code, run.output) == (1, f"{STARTED}1 problem:\n  {line}\n{FOOTER}")
    run = project.pyinfra("deploy.py", "--limit", "stage", "--serial")
    expected = f"{STARTED}1 problem:\n  --serial: {NO_ORDER}\n{FOOTER}Cookies not compared: {damaged}.\n"
    assert (run.exit_code, run.output) == (1, expected)


def test_a_vault_that_anybody_could_have_made_is_refused_by_every_command(project: Project) -> None:
    folder = project.sandbox / "vault"
    path = folder / "stage.age"
    plain = store.decrypt(path.read_bytes(), path, find_identities(str(folder / IDENTITY)))
    path.write_bytes(store.seal(plain, read_recipients(folder)))
    reason = ".sandbox/vault/stage.age may be forged: it carries no seal, and it had one"
    commands = [[sys.executable, "-m", "commands.check"], [sys.executable, "-m", "commands.vault_edit", "stage"]]
    for run in (project.pyinfra("deploy.py", "--limit", "stage"), *(project.run(*command) for command in commands)):
        assert (run.exit_code, reason in run.output) == (1, True)
    # The vault of a checkout from before there were seals.
    (folder / "recipients.txt").write_text((folder / "recipients.txt").read_text().replace("# sealed: ", "# "))
    check = project.run(sys.executable, "-m", "commands.check").require_success()
    assert ".sandbox/vault/stage.age: without a seal" in check.output
    project.run(sys.executable, "-m", "commands.vault_recipients").require_success()
    assert "without a seal" not in project.run(sys.executable, "-m", "commands.check").require_success().output


def test_a_missing_variable_refuses_the_deploys_that_need_it(project: Project) -> None:
    """Stage may have a new secret before prod has it."""
    project.edit("all", secret_variables=["STRIPE_KEY"])
    project.set_secrets("stage", STRIPE_KEY="hunter2")
    line = (
        "  prod: secret_variables names STRIPE_KEY, and .sandbox/vault/prod.age has no such key: `make vault-set ENV=prod "
        "KEY=STRIPE_KEY` stores a value (group_data/all.py)\n"
    )
    stage = project.pyinfra("deploy.py", "--limit", "stage", "--serial")
    assert (stage.exit_code, line in stage.output) == (1, False)
    # It runs what is on the host.
    rollback = project.pyinfra("deploys/rollback.py", "--limit", "prod", "--serial")
    assert (rollback.exit_code, line in rollback.output) == (1, False)
    for run in (project.pyinfra("deploy.py", "--limit", "prod"), project.run(sys.executable, "-m", "commands.check")):
        assert (run.exit_code, line in run.output) == (1, True)
        assert "hunter2" not in run.output


def test_make_check_says_what_was_compared(project: Project) -> None:
    summary = (
        "2 environments on 1 machine: no problem; cookies compared: .sandbox/vault/prod.age, .sandbox/vault/stage.age"
    )
    run = project.run(sys.executable, "-m", "commands.check")
    assert (run.exit_code, run.output) == (0, f"{summary}\n")
    (project.sandbox / "vault/prod.age").unlink()
    run = project.run(sys.executable, "-m", "commands.check")
    assert run.exit_code == 0
    assert run.output == (
        "2 environments on 1 machine: no problem; cookies compared: .sandbox/vault/stage.age; not compared: there is no "
        ".sandbox/vault/prod.age\n"
    )


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (
            "port = = 4001\n",
            "cannot be read: SyntaxError: invalid syntax; mend this line (group_data/stage.py, line 1)",
        ),
        (
            "port = 4001\ndomain = prot\n",
            "cannot be read: NameError: name 'prot' is not defined; mend this line (group_data/stage.py, line 2)",
        ),
    ],
)
def test_group_data_that_python_cannot_read(project: Project, source: str, line: str) -> None:
    (project.path / "group_data/stage.py").write_text(source)
    expected = f"1 problem:\n  the inventory: {line}\n{FOOTER}"
    run = project.pyinfra("deploy.py")
    assert (run.exit_code, run.output) == (1, STARTED + expected)
    for command in (["check"], ["drift"], ["status"], ["vault_edit", "stage"]):
        run = project.run(sys.executable, "-m", f"commands.{command[0]}", *command[1:])
        assert (run.exit_code, run.output.removeprefix("vault: ")) == (1, expected)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("# One group", "prot\n# One group", "the inventory: cannot be read: NameError: name 'prot' is not defined; mend "),
        ('"ssh_user"', '"ssh_port": "x", "ssh_user"', "stage: ssh_port = 'x': must be the number of the port sshd listens "),
        ("stage = [(", "stage, prod = [], []\nother = [(", "stage: no host is in this group, so nothing reads its data: "),
    ],
)  # fmt: skip
def test_an_inventory_that_cannot_work(project: Project, old: str, new: str, line: str) -> None:
    inventory = project.path / "inventory.py"
    inventory.write_text(inventory.read_text().replace(old, new, 1))
    for command in ("check", "drift", "status"):
        run = project.run(sys.executable, "-m", f"commands.{command}")
        assert run.exit_code == 1
        assert f"\n  {line}" in run.output
        assert "Traceback" not in run.output


def test_an_inventory_without_environments(project: Project) -> None:
    (project.path / "inventory.py").write_text("stage = []\n")
    for file in ("stage", "prod"):
        (project.path / f"group_data/{file}.py").unlink()
    run = project.run(sys.executable, "-m", "commands.check")
    text = "there is no environment in it: add a group with one host for each, named as its file in group_data"
    assert (run.exit_code, run.output) == (1, f"1 problem:\n  the inventory: {text} (inventory.py)\n{FOOTER}")


def test_a_key_to_log_in_with_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = project.path / "inventory.py"
    inventory.write_text(inventory.read_text().replace('HOST = "sandbox"', 'HOST = "server.example.com"'))
    monkeypatch.setenv("SSH_IDENTITY_FILE", "/nowhere")
    run = project.run(sys.executable, "-m", "commands.check")
    text = (
        "SSH_IDENTITY_FILE: there is no /nowhere: write the private key there, or unset SSH_IDENTITY_FILE to use an ssh"
    )
    assert run.exit_code == 1
    assert run.output.startswith(f"1 problem:\n  the inventory: {text}")
    assert "mend this line" not in run.output


def test_a_misused_option_of_pyinfra(project: Project) -> None:
    assert project.pyinfra("deploy.py", "--nope").exit_code == 2


@pytest.mark.parametrize("name", ["all", "inventory"])
def test_groups_that_pyinfra_names_itself(project: Project, name: str) -> None:
    inventory = project.path / "inventory.py"
    inventory.write_text(
        inventory.read_text().replace(
            "# One group", f'{name} = [("@snapshot/stage", machine(HOST)), "@snapshot/prod"]\n# One group'
        )
    )
    check = project.run(sys.executable, "-m", "commands.check")
    text = f"pyinfra gives the name {name} to a group of its own, all hosts: name the group as its environment"
    assert (check.exit_code, check.output) == (1, f"1 problem:\n  {name}: {text} (inventory.py)\n{FOOTER}")
