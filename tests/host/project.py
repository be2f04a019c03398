"""A copy of the repository with a machine of its own. A test may edit it like an operator."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forks
from tests.sandbox.vaults import IDENTITY
from vault import store
from vault.keys import find_identities
from vault.recipients import read_recipients

CHECKOUT = Path(__file__).parents[2]
PARTS = [
    "deploy.py",
    "checkout",
    "commands",
    "connectors",
    "deploys",
    "group_data/schema",
    "inspection",
    "operations",
    "preflight",
    "templates",
    "vault",
    "Makefile",
    "requirements.lock",
]

# What the tests deploy: a team that changes inventory and group data for its own servers keeps tests that work, and tests
# never reach those servers.
EXAMPLE = Path(__file__).parent / "example"


@dataclass(frozen=True)
class Run:
    """What a command said and how it ended."""

    exit_code: int
    output: str

    def require_success(self) -> "Run":
        """Itself; fails the test with the output unless the command succeeded."""
        assert self.exit_code == 0, self.output
        return self


@dataclass(frozen=True)
class Project:
    """The copy.

    + path: its directory; `.sandbox/` in it belongs to the machine
    """

    path: Path

    @classmethod
    def copy(cls, path: Path, vaults: Path) -> "Project":
        """The checkout's code with the example's data, and these vaults for the throwaway machine."""
        shutil.copytree(EXAMPLE, path, ignore=shutil.ignore_patterns("__pycache__"))
        for part in PARTS:
            source = CHECKOUT / part
            if source.is_dir():
                shutil.copytree(source, path / part)
            else:
                shutil.copy2(source, path / part)
        (path / ".venv").symlink_to(CHECKOUT / ".venv")
        shutil.copytree(vaults, path / ".sandbox/vault")
        return cls(path)

    @property
    def sandbox(self) -> Path:
        """Where the machine's ssh_config goes: what `boot(directory=…)` wants."""
        return self.path / ".sandbox"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for commands: those of the tests, with a cache of its own, as an operator's other projects have.

        And without what `make test` adds: within another make, make prints its folder.
        """
        kept = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
        return kept | {"XDG_CACHE_HOME": str(self.path / ".cache")}

    def pyinfra(self, *arguments: str, stdin: str = "") -> Run:
        """`pyinfra inventory.py …`, as typed in the copy."""
        return self.run(sys.executable, "-m", "pyinfra", "inventory.py", *arguments, stdin=stdin)

    def make(self, *arguments: str) -> Run:
        """`make …`, as typed in the copy, without a terminal."""
        return self.run("make", *arguments)

    def run(self, *command: str, stdin: str = "") -> Run:
        """Any command in the copy; standard output and error together."""
        run = forks.run(command, cwd=self.path, env=self.environment, stdin=stdin.encode())
        return Run(run.returncode, run.stdout.decode())

    def apply(self, *arguments: str) -> Run:
        """An apply that asks nothing."""
        return self.pyinfra("deploy.py", "--yes", *arguments)

    def killed_apply(self, after: float) -> None:
        """An apply whose process is killed after so many seconds, unless it is done by then."""
        deadline = time.monotonic() + after
        self.killed_apply_when(lambda: time.monotonic() >= deadline)

    def killed_apply_when(self, condition: Callable[[], bool]) -> None:
        """An apply whose process is killed as soon as the condition holds, unless it is done by then."""
        command = [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py", "--yes"]
        with subprocess.Popen(
            command,
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=self.environment,
        ) as run:
            while run.poll() is None and not condition():
                time.sleep(0.05)
            run.kill()

    def applied(self, *arguments: str) -> dict[str, list[str]]:
        """An apply that must succeed; the operations that did something, with their hosts."""
        return _changes(self._json("--yes", *arguments)["results"]["operations"], "success")

    def planned(self, *arguments: str) -> dict[str, list[str]]:
        """A plan that must succeed; the operations it lists as changes, with their hosts."""
        operations = self._json("--dry", *arguments)["plan"]
        return _by_name((item["name"], item["hosts_with_change"]) for item in operations)

    def edit(self, file: str, **settings: Any) -> None:
        """Set keys in a group data file, such as "stage"; the value None takes a key out."""
        path = self.path / f"group_data/{file}.py"
        text = path.read_text()
        for key, value in settings.items():
            text = re.sub(rf"^{key} = (\{{\n.*?^\}}|.*?)\n", "", text, flags=re.MULTILINE | re.DOTALL)
            text += f"{key} = {value!r}\n" if value is not None else ""
        path.write_text(text)

    @contextmanager
    def moved(self, environment: str, **data: Any) -> Iterator[None]:
        """For the block, `inventory.py` leads an environment elsewhere.

        + environment: its name
        + data: of the host, what is different
        """
        inventory = self.path / "inventory.py"
        text = inventory.read_text()
        here = f'("@snapshot/{environment}", machine(HOST))'
        assert here in text
        inventory.write_text(text.replace(here, f'("@snapshot/{environment}", machine(HOST) | {data})'))
        try:
            yield
        finally:
            inventory.write_text(text)

    def set_secrets(self, environment: str, **values: str) -> None:
        """Store values in an environment's vault, as `make vault-edit` would."""
        path = self.sandbox / f"vault/{environment}.age"
        sealed = path.read_bytes()
        identities = find_identities(str(self.sandbox / "vault" / IDENTITY))
        secrets = store.read_values(store.decrypt(sealed, path, identities)) | values
        text = "".join(f"{key} = {_toml(value)}\n" for key, value in secrets.items())
        store.store_sealed(path, text.encode(), read_recipients(path.parent), identities, sealed)

    def secrets(self, environment: str) -> dict[str, str]:
        """All values of an environment's vault."""
        path = self.sandbox / f"vault/{environment}.age"
        identities = find_identities(str(self.sandbox / "vault" / IDENTITY))
        return store.read_values(store.decrypt(path.read_bytes(), path, identities))

    def _json(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py", "--json", *arguments]
        run = forks.run(command, cwd=self.path, env=self.environment, stderr=subprocess.PIPE)
        assert run.returncode == 0, (run.stdout + run.stderr).decode()
        return dict(json.loads(run.stdout))


def _changes(operations: list[dict[str, Any]], key: str) -> dict[str, list[str]]:
    return _by_name((item["name"], item[key]) for item in operations)


def _by_name(operations: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    """Steps that environments take one after the other have one name."""
    found: dict[str, list[str]] = {}
    for name, hosts in operations:
        if hosts:
            found.setdefault(name, []).extend(hosts)
    return found


def _toml(value: str) -> str:
    # JSON would write characters beyond U+FFFF as surrogates, which TOML refuses.
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\U{ord(c):08X}" for c in value) + '"'
