"""If no sandbox machine can run, one message gives the reason and advice."""

import os
import sys

import pytest

from tests.sandbox import requirements
from tests.sandbox.requirements import SandboxError


def test_another_system_than_linux_is_named_with_the_way_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxError, match=r"(?s)this is darwin.*HOST line in inventory\.py"):
        requirements.check()


def test_a_missing_program_is_named_by_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program, path=None: None if program == "nft" else f"/bin/{program}")
    with pytest.raises(SandboxError, match="apt-get install nftables"):
        requirements.check()


def test_whoever_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SandboxError, match="needs root"):
        requirements.check()
