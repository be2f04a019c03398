"""A cached image is used only for the recipe that it was built from."""

import subprocess
from pathlib import Path

import pytest

from tests.sandbox import image as images
from tests.sandbox.image import image
from tests.sandbox.requirements import SandboxError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and builds that make almost empty trees."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if "setpriv" in command:
            (Path(command[-1]) / "etc").mkdir(parents=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return tmp_path / "deploy-sandbox"


def test_an_image_is_built_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert image("trixie") == image("trixie")
    assert capsys.readouterr().err.count("building") == 1


def test_release_variant_and_packages_each_make_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = {image("trixie"), image("bookworm"), image("trixie", "elixir")}
    monkeypatch.setattr(images, "_ARCHIVES", ("nginx",))
    assert len(trees | {image("trixie")}) == 4


def test_a_failed_build_leaves_no_tree(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if "mmdebstrap" not in command:
            return subprocess.CompletedProcess(command, 0, "", "")
        Path(command[-1]).mkdir(parents=True)
        return subprocess.CompletedProcess(command, 1, "", "E: no network")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SandboxError, match="no network"):
        image("trixie")
    assert [path for path in cache.iterdir() if path.is_dir()] == []


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(SandboxError, match="trixie, bookworm"):
        image("sid")
