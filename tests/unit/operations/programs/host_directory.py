"""A host in a directory, with one environment, its releases and the stub commands of bin/."""

import re
import shutil
from pathlib import Path
from typing import Any

from group_data.schema.environment import Environment
from operations.host import program
from operations.host.rendering import render
from operations.release import switch

STUBS = Path(__file__).parent / "bin"

FIRST, SECOND, THIRD = "20260101000000", "20260201000000", "20260301000000"
NAMES = {FIRST: "create_invoices", SECOND: "add_paid", THIRD: "add_due"}

SETTINGS: dict[str, Any] = {
    "app": "billing",
    "environment": "stage",
    "domain": "stage.example.com",
    "port": 4001,
    "settle_time": 2,
}


class HostDirectory:
    """A host with one environment, its releases, and the stub commands.

    + path: an empty directory
    + settings: of the environment, beside SETTINGS
    """

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path.resolve()
        self.environment = Environment.model_validate(SETTINGS | settings)
        self.root = self._of(self.environment.root)
        self.state = self._of(self.environment.state_path)
        self.link = self._of(self.environment.app_path)
        self.progress = self.state / "switching"
        self.program = self._of(self.environment.switch_path)
        # Put before the program's own words.
        self.wrapper: list[str] = []
        self._install()

    def _of(self, host_path: str) -> Path:
        return self.path / host_path.removeprefix("/")

    def _install(self) -> None:
        for directory in (self.root / "releases", self.state / "backups", self.path / "faults", self.path / "hooks"):
            directory.mkdir(parents=True)
        shutil.copytree(STUBS, self.path / "bin", ignore=shutil.ignore_patterns("real", "application"))
        for file, text in {"pid": "0\n", "running": "none\n", "applied": "", "calls": ""}.items():
            (self.path / file).write_text(text)
        paths = re.compile(r"^(\w+)=(?=/(?:home|var|etc|usr)/)", re.MULTILINE)
        for file, text in {
            self.environment.unit_path: render("unit.service.j2", environment=self.environment),
            self.environment.variables_path: render("variables.j2", environment=self.environment),
            self.environment.switch_conf_path: paths.sub(rf"\1={self.path}", switch.conf(self.environment)),
            self.environment.switch_path: program.text("switch.sh"),
        }.items():
            self._of(file).parent.mkdir(parents=True, exist_ok=True)
            self._of(file).write_text(text)
        self.program.chmod(0o700)

    # --- What the test sets up ---------------------------------------------------------------------------------------

    def unpack(self, version: str, *migrations: str, fault: str = "") -> None:
        """A release is on the host.

        + migrations: versions whose files it has
        + fault: how it is broken, as the stubs read it; default: not at all
        """
        release = self.root / "releases" / version
        files = release / "lib/billing/priv/repo/migrations"
        files.mkdir(parents=True)
        (release / "bin").mkdir()
        shutil.copy(STUBS / "application", release / "bin/billing")
        for migration in migrations:
            (files / f"{migration}_{NAMES[migration]}.exs").touch()
        self.break_release(version, fault)

    def break_release(self, version: str, fault: str) -> None:
        """A release is broken from now on, or mended by an empty fault."""
        file = self.path / "faults" / version
        file.unlink(missing_ok=True)
        if fault:
            file.write_text(f"{fault}\n")

    def runs(self, version: str, *applied: str) -> None:
        """A release runs, and these migrations are applied."""
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(f"releases/{version}")
        (self.path / "running").write_text(f"{version}\n")
        (self.path / "pid").write_text("4711\n")
        self.apply(*applied)

    def apply(self, *migrations: str) -> None:
        """These migrations are applied."""
        (self.path / "applied").write_text("".join(f"{migration}\n" for migration in migrations))

    def hook(self, command: str, line: str) -> None:
        """A command runs this line of shell first; a command without a stub does its own work afterwards."""
        stub = self.path / "bin" / command
        if not stub.exists():
            shutil.copy(STUBS / "real", stub)
        (self.path / "hooks" / command).write_text(f"{line}\n")

    def set(self, name: str, value: str) -> None:
        """A name in the file beside the program has another value than the environment gives it."""
        with self.program.with_name(f"{self.program.name}.conf").open("a") as file:
            file.write(f"{name}={value}\n")

    def unhook(self, command: str) -> None:
        """A command works again."""
        (self.path / "hooks" / command).unlink()

    def fill_disk(self, command: str = "") -> None:
        """Nothing more can be written by the program itself, from now on or from a call of a command on.

        + command: one that the program calls directly, not in a pipe; default: from the beginning
        """
        self.wrapper = ["env", "--ignore-signal=XFSZ"]
        if command:
            self.hook(command, 'prlimit --pid "$PPID" --fsize=0:unlimited')
        else:
            self.wrapper += ["prlimit", "--fsize=0:unlimited"]

    def boot(self) -> None:
        """The machine starts again: systemd starts the linked release."""
        (self.path / "running").write_text(f"{self.link.readlink().name}\n")
        (self.path / "pid").write_text("101\n")

    # --- What came of it ---------------------------------------------------------------------------------------------

    @property
    def linked(self) -> str:
        """The target of the link to the running release; empty without one."""
        return str(self.link.readlink()) if self.link.is_symlink() else ""

    @property
    def running(self) -> str:
        """The version that the unit runs; empty when it is stopped."""
        pid, running = ((self.path / file).read_text().strip() for file in ("pid", "running"))
        return running if pid != "0" else ""

    @property
    def applied(self) -> list[str]:
        """Migrations that are applied."""
        return (self.path / "applied").read_text().split()

    @property
    def log(self) -> list[tuple[str, ...]]:
        """Action, version and outcome of each line of the log."""
        return [(fields[2], fields[3], fields[5]) for fields in self.log_fields]

    @property
    def log_fields(self) -> list[list[str]]:
        """All fields of each line of the log."""
        file = self.state / "revisions.log"
        return [line.split("\t") for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def calls(self) -> list[str]:
        """Every call of a stub, in order: the command with its arguments."""
        return (self.path / "calls").read_text().splitlines()

    def order(self, *beginnings: str) -> list[str]:
        """The calls that begin with one of these, each as that beginning, in order."""
        found = (next((one for one in beginnings if call.startswith(one)), "") for call in self.calls)
        return [one for one in found if one]

    @property
    def backups(self) -> list[str]:
        """Names in the directory of backups."""
        return sorted(file.name for file in (self.state / "backups").iterdir())
