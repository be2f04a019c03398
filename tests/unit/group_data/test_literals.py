"""The files in group_data are plain literals. pyinfra executes them, so import-linter does not see them."""

import ast
import sys
from pathlib import Path

import pytest

from group_data.schema.paths import CHECKOUT

FILES = sorted((CHECKOUT / "group_data").glob("*.py"))


def imports(source: str) -> list[str]:
    """The modules that a file imports, without those of Python itself."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name.split(".")[0] not in sys.stdlib_module_names]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_group_data_imports_nothing_of_this_project(path: Path) -> None:
    assert imports(path.read_text()) == []


def test_an_import_is_seen() -> None:
    assert imports("import os\nfrom operations import site\nimport vault.keys") == ["vault.keys", "operations"]
