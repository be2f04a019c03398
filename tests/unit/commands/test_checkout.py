"""The checkout's deploy through the real pyinfra: it needs no machine."""

import shutil
from pathlib import Path

import pytest

from tests.host.project import CHECKOUT, Project
from tests.sandbox.vaults import make_vaults


@pytest.fixture
def project(tmp_path: Path) -> Project:
    vaults = tmp_path / "vaults"
    make_vaults(vaults, ["stage", "prod"])
    return Project.copy(tmp_path / "project", vaults)


def test_a_checkout_is_brought_in_step(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "my billing"
    shutil.copytree(CHECKOUT / "tests/applications/mix", path)
    assert project.make("app-check", f"APP={path}").exit_code == 2
    written = project.make("app-apply", f"APP={path}", "YES=1").require_success()
    assert "Interrupted" not in written.output
    assert "Nothing would change." in project.make("app-plan", f"APP={path}").require_success().output
