"""The checkout's deploy through the real pyinfra, without a machine."""

import shutil
from pathlib import Path

import pytest

from tests.host.project import CHECKOUT, Project, Run
from tests.sandbox.vaults import make_vaults


@pytest.fixture
def project(tmp_path: Path) -> Project:
    vaults = tmp_path / "vaults"
    make_vaults(vaults, ["stage", "prod"])
    return Project.copy(tmp_path / "project", vaults)


def command(project: Project, name: str, path: Path, *arguments: str) -> Run:
    """Not by make, whose own exit code for a failed recipe is 2 as well."""
    return project.run(".venv/bin/python", "-m", f"commands.{name}", "--app", str(path), *arguments)


def test_a_checkout_is_brought_in_step(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "my billing"
    shutil.copytree(CHECKOUT / "tests/applications/mix", path)
    assert command(project, "app_check", path).exit_code == 2
    written = command(project, "app_apply", path, "--yes").require_success()
    assert "Interrupted" not in written.output
    assert "Nothing would change." in command(project, "app_plan", path).require_success().output


def test_check_and_plan_agree(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "billing"
    shutil.copytree(CHECKOUT / "tests/applications/phoenix_1_8", path)
    project.edit("stage", mix_env="prod", tls="self_signed")

    def codes() -> list[int]:
        return [command(project, name, path).exit_code for name in ("app_check", "app_plan")]

    assert codes() == [0, 0]
    runtime = path / "config/runtime.exs"
    runtime.write_text(f'{runtime.read_text()}\nconfig :billing, key: System.fetch_env!("STRIPE_KEY")\n')
    assert codes() == [2, 2]
    told = command(project, "app_check", path, "stage").output
    assert 'group_data/stage.py, if all of them are secrets: secret_variables = ["STRIPE_KEY"]' in told
    planned = command(project, "app_plan", path, "stage").output
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
