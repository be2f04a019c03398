"""The choice of the process that plans, read by the process that carries out."""

import json
from pathlib import Path

import pytest
from pyinfra.api.exceptions import DeployError

from operations.release import pin
from preflight.options import PREFIX


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "plan.json"
    monkeypatch.setenv(pin.VARIABLE, str(path))
    return path


def test_the_variable_is_one_that_commands_take_away() -> None:
    assert pin.VARIABLE.startswith(PREFIX)


def test_without_a_plan_everything_is_chosen_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pin.VARIABLE, raising=False)
    pin.require_running("0.1.0")
    pin.require_running("0.2.0")
    pin.require_artifact("0.2.0", "a")
    pin.require_artifact("0.3.0", "b")
    assert (pin.choice(), pin.is_asked_for()) == ({}, False)


def test_a_choice_is_found_again(plan: Path) -> None:
    pin.require_running("0.1.0")
    pin.require_artifact("0.2.0", "a" * 64)
    for _ in range(2):
        pin.require_running("0.1.0")
        pin.require_artifact("0.2.0", "a" * 64)
    wanted = {"running": "0.1.0", "version": "0.2.0", "sha256": "a" * 64}
    assert (pin.choice(), json.loads(plan.read_text())) == (wanted, wanted)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"a"', b'{"version": 1}', b"\xff", None], ids=repr)
def test_a_file_that_no_plan_wrote_is_refused(plan: Path, content: bytes | None) -> None:
    if content is None:
        plan.mkdir()
    else:
        plan.write_bytes(content)
    for ask in (pin.choice, lambda: pin.require_running("0.1.0")):
        with pytest.raises(DeployError, match="is not the file of a plan"):
            ask()


def test_a_file_in_a_missing_folder_is_refused(plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pin.VARIABLE, str(plan / "missing" / "plan.json"))
    with pytest.raises(DeployError, match="is not the file of a plan"):
        pin.keep(version="0.2.0")


@pytest.mark.parametrize(
    ("planned", "now", "problem"),
    [
        ("0.1.0", "0.3.0", "while 0.1.0 ran, and 0.3.0 runs now: somebody released meanwhile"),
        (None, "0.3.0", "while no release ran, and 0.3.0 runs now"),
        ("0.1.0", None, "while 0.1.0 ran, and no release runs now"),
    ],
)
@pytest.mark.usefixtures("plan")
def test_another_release_runs(planned: str | None, now: str | None, problem: str) -> None:
    pin.require_running(planned)
    with pytest.raises(DeployError, match=problem):
        pin.require_running(now)


@pytest.mark.parametrize(("version", "sha256"), [("0.3.0", "a"), ("0.2.0", "b")])
@pytest.mark.usefixtures("plan")
def test_another_tarball(version: str, sha256: str) -> None:
    pin.require_artifact("0.2.0", "a")
    with pytest.raises(
        DeployError, match=rf"made for 0\.2\.0 \(a\), and there is {version} \({sha256}\) now: somebody"
    ):
        pin.require_artifact(version, sha256)


def test_a_refusal_leaves_the_choice(plan: Path) -> None:
    pin.require_running("0.1.0")
    with pytest.raises(DeployError):
        pin.require_running("0.3.0")
    assert json.loads(plan.read_text()) == {"running": "0.1.0"}


@pytest.mark.usefixtures("plan")
def test_a_release_takes_what_a_build_left() -> None:
    pin.keep(version="0.2.0", sha256="a")
    with pytest.raises(DeployError, match=r"for 0\.2\.0"):
        pin.require_artifact("0.3.0", "c")
    pin.require_artifact("0.2.0", "a")
