"""Only some steps of deploy.py: one second instead of five, for tests with many runs."""

import re
import shutil
from pathlib import Path

from tests.host.project import Project

_DEPLOY = """\
from pyinfra import config, host
from group_data.schema.inventory import read_environments
from operations import database, nginx, provided_files, secret_file, site
from vault.store import open_vault, vault_path

config.SUDO = True
environment = read_environments(host.inventory)[host.name]
vault = vault_path(environment.vault_directory, environment.environment)
secrets = open_vault(vault, environment.vault_identity)
"""


def with_steps(project: Project, path: Path, *steps: str) -> Project:
    """A project for the same machine and with the same vaults, whose deploy.py has only these steps.

    + path: where it goes
    + steps: calls such as "database.managed_database(environment)"
    """
    shutil.copytree(project.path, path, symlinks=True, ignore=shutil.ignore_patterns(".sandbox"))
    (path / ".sandbox").symlink_to(project.sandbox)
    (path / "deploy.py").write_text(_DEPLOY + "\n".join([*steps, ""]))
    return Project(path)


def planned_and_applied(project: Project, environment: str) -> list[list[str]]:
    """The steps that pyinfra lists as changes before it asks, and those that then did something: one run tells both."""
    run = project.pyinfra("deploy.py", "--limit", environment, stdin="\n").require_success()
    plan, rest = run.output.split("--> Beginning operation run...")
    results = rest.split("--> Results:")[1]
    # Columns of the plan: changes, conditional changes; of the results: hosts, successes and others.
    return [
        re.findall(rf"^ {{4}}(\w.*?) {{2,}}{columns} ", table, re.MULTILINE)
        for table, columns in ((plan, "1"), (results, "1 +1"))
    ]


def converge(project: Project, environment: str) -> list[str]:
    """The steps a plan lists, which must be those that are then taken, and leave nothing to do."""
    planned, applied = planned_and_applied(project, environment)
    assert planned == applied
    assert project.planned("--limit", environment) == {}
    return applied
