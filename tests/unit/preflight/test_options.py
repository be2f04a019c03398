"""Entry points are told by variables that no shell has of its own."""

import ast

import pytest

from group_data.schema.paths import CHECKOUT
from preflight.options import option, process_environment


def test_a_shells_own_variable_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERSION", "9.9.9")
    monkeypatch.delenv("DEPLOY_VERSION", raising=False)
    assert option("VERSION") is None
    monkeypatch.setenv("DEPLOY_VERSION", "")
    assert option("VERSION") is None
    monkeypatch.setenv("DEPLOY_VERSION", "1.10")
    assert option("VERSION") == "1.10"


def test_a_process_has_these_options_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYINFRA_YES", "DEPLOY_VERSION", "DEPLOY_REF"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HOME", "/root")
    variables = process_environment({"VERSION": "0.2.0", "TARBALL": ""})
    assert {name: value for name, value in variables.items() if name.startswith(("DEPLOY_", "PYINFRA_YES"))} == {
        "DEPLOY_VERSION": "0.2.0"
    }
    assert variables["HOME"] == "/root"


@pytest.mark.parametrize(
    "file", ["deploy.py", *(f"deploys/{path.name}" for path in (CHECKOUT / "deploys").glob("*.py"))]
)
def test_no_entry_point_reads_a_variable_by_itself(file: str) -> None:
    names = {
        node.attr for node in ast.walk(ast.parse((CHECKOUT / file).read_text())) if isinstance(node, ast.Attribute)
    }
    assert not names & {"environ", "getenv"}
