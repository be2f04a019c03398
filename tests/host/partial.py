"""A deploy.py with few steps: a run takes one second instead of five."""

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
    """A project for the same machine and vaults, whose deploy.py has only these steps.

    + path: directory of the project
    + steps: calls such as "database.managed_database(environment)"
    """
    shutil.copytree(project.path, path, symlinks=True, ignore=shutil.ignore_patterns(".sandbox"))
    (path / ".sandbox").symlink_to(project.sandbox)
    (path / "deploy.py").write_text(_DEPLOY + "\n".join([*steps, ""]))
    return Project(path)


def planned_and_applied(project: Project, environment: str) -> list[list[str]]:
    """The steps that pyinfra lists as changes, and those that then changed something, both of one run."""
    run = project.pyinfra("deploy.py", "--limit", environment, stdin="\n").require_success()
    plan, rest = run.output.split("--> Beginning operation run...")
    results = rest.split("--> Results:")[1]
    # Columns of the plan: changes, conditional changes; of the results: hosts, successes and others.
    return [
        re.findall(rf"^ {{4}}(\w.*?) {{2,}}{columns} ", table, re.MULTILINE)
        for table, columns in ((plan, "1"), (results, "1 +1"))
    ]


def converge(project: Project, environment: str) -> list[str]:
    """The steps of a plan. The apply must take the same steps, and leave nothing to do."""
    planned, applied = planned_and_applied(project, environment)
    assert planned == applied
    assert project.planned("--limit", environment) == {}
    return applied
