"""Each name that connectors/startup.py patches is still there, and pyinfra still calls it."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import util

import connectors.startup
from group_data.schema.paths import CHECKOUT

PATCHED = ["connectors.entry_points", "arguments.all_global_arguments", "util.stack", "util.getframeinfo"]
CACHES = PATCHED[:2]

# The inventory counts calls of pyinfra's own function and of its replacement. AttributeError: pyinfra lost a name.
INVENTORY = f"""
import atexit, gc, json, sys
from collections import Counter
from pathlib import Path
from pyinfra import api

calls = Counter()

def count(kind, name):
    module = getattr(api, name.split(".")[0])
    function = getattr(module, name.split(".")[1])
    def counted(*arguments, **keywords):
        calls[f"{{kind}} {{name}}"] += 1
        return function(*arguments, **keywords)
    counted.__wrapped__ = function
    setattr(module, name.split(".")[1], counted)

def report():
    Path("calls.json").write_text(json.dumps(calls | {{"bytecode off": off, "bytecode": not sys.dont_write_bytecode}}))

_names = {PATCHED!r}
off = sys.dont_write_bytecode
for name in _names:
    count("original", name)
sys.path.insert(0, {str(CHECKOUT)!r})
import connectors.startup
assert gc.get_freeze_count() > 0, "nothing is frozen"
for name in _names:
    count("patched", name)
atexit.register(report)
hosts = [("@fake/one", {{"fake_delay": 0, "fake_delay_jitter": 0}})]
"""

DEPLOY = """
import inspect
from pyinfra.api import util
from pyinfra.operations import server

def both():
    server.shell(name="First", commands=["first"])
    server.shell(name="Second", commands=["second"])

both()
# The replacements, without the counters of the inventory.
stack, place = util.stack.__wrapped__, util.getframeinfo.__wrapped__
ours, theirs = [place(frame[0]) for frame in stack()][1:], inspect.stack(0)[1:]
assert [(frame.filename, frame.lineno) for frame in ours] == [(frame.filename, frame.lineno) for frame in theirs]
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Calls of each name in a run of pyinfra's command line, by original and replacement."""
    directory = tmp_path_factory.mktemp("startup")
    (directory / "inventory.py").write_text(INVENTORY)
    (directory / "deploy.py").write_text(DEPLOY)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYINFRA")}
    run = subprocess.run(
        [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py", "--yes"],
        cwd=directory, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    found: dict[str, Any] = json.loads((directory / "calls.json").read_text())
    return found


@pytest.mark.parametrize("name", PATCHED)
def test_pyinfra_calls_the_patched_name(calls: dict[str, Any], name: str) -> None:
    assert calls.get(f"patched {name}", 0) > 0


@pytest.mark.parametrize("name", CACHES)
def test_cache_answers_instead_of_the_original(calls: dict[str, Any], name: str) -> None:
    assert calls.get(f"original {name}", 0) <= 1 < calls[f"patched {name}"]


@pytest.mark.parametrize("name", sorted({*PATCHED} - {*CACHES}))
def test_original_is_not_called(calls: dict[str, Any], name: str) -> None:
    assert calls.get(f"original {name}", 0) == 0


def test_python_keeps_bytecode_although_pyinfra_turns_it_off(calls: dict[str, Any]) -> None:
    assert (calls["bytecode off"], calls["bytecode"]) == (True, True)


def test_another_process_keeps_pyinfra_as_it_is() -> None:
    assert connectors.startup.speed_up_pyinfra.__module__ in sys.modules
    assert util.stack is inspect.stack


def test_pyinfras_command_line_still_patches_through_gevent() -> None:
    # tests/conftest.py replaces this function, so that importing the command line leaves the tests' process alone.
    program = (
        "import gevent.monkey\ncalls = []\ngevent.monkey.patch_all = lambda *_, **__: calls.append(1)\n"
        "import pyinfra_cli\nassert calls == [1], calls"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=Path("/"), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
