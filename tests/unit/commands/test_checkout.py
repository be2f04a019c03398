"""The checkout's deploy through the real pyinfra, without a machine."""

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


def test_check_and_plan_agree(project: Project, tmp_path: Path) -> None:
    """make's own code for a failed recipe is 2 as well, so the commands are called."""
    path = tmp_path / "billing"
    shutil.copytree(CHECKOUT / "tests/applications/phoenix_1_8", path)
    project.edit("stage", mix_env="prod", tls="self_signed")

    def codes() -> list[int]:
        return [
            project.run(".venv/bin/python", "-m", f"commands.{command}", "--app", str(path)).exit_code
            for command in ("app_check", "app_plan")
        ]

    assert codes() == [0, 0]
    runtime = path / "config/runtime.exs"
    runtime.write_text(f'{runtime.read_text()}\nconfig :billing, key: System.fetch_env!("STRIPE_KEY")\n')
    assert codes() == [2, 2]
    told = project.run(".venv/bin/python", "-m", "commands.app_check", "--app", str(path), "stage").output
    assert 'group_data/stage.py, if all of them are secrets: secret_variables = ["STRIPE_KEY"]' in told
    planned = project.run(".venv/bin/python", "-m", "commands.app_plan", "--app", str(path), "stage").output
    assert "Nothing would change." in planned
    assert "Yours to mend: config/runtime.exs" in planned


def test_nothing_in_a_checkout_steers_a_terminal(project: Project, tmp_path: Path) -> None:
    """Whoever may push a branch writes these files."""
    path = tmp_path / "billing"
    shutil.copytree(CHECKOUT / "tests/applications/phoenix_1_8", path)
    nasty = "\x1b]52;c;bGF0ZXI=\x07\x9b31m\u202e"
    project.edit("stage", mix_env="prod", tls="self_signed")
    for file in path.rglob("*.ex*"):
        text = file.read_text()
        file.write_text(f"# {nasty}\n{text}\n# {nasty}\n")
    runtime = path / "config/runtime.exs"
    runtime.write_text(f'{runtime.read_text()}\nconfig :billing, key: System.fetch_env!("KEY{nasty}")\n')
    for target in ("app-check", "app-plan"):
        output = project.make(target, f"APP={path}").output
        assert "]52;c;" in output, output
        assert [mark for mark in ("\x1b]", "\x07", "\x9b", "\u202e") if mark in output] == []
