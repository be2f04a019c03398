"""The real switch.sh on a host that is a folder: stub commands on a PATH of their own, a link, releases, a log."""

import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from group_data.schema.environment import Environment
from operations.host import program
from operations.release import switch

# Commands that work in a folder as they do on a host. `sleep` is a stub: no test waits.
REAL = (
    "awk", "base64", "basename", "bash", "cat", "chmod", "cut", "date", "df", "dirname", "echo", "env", "find", "grep",
    "head", "install", "ln", "mktemp", "mv", "perl", "readlink", "rm", "sed", "sha256sum", "sort", "stat", "sync", "tail",
    "tee", "touch", "tr", "wc", "xargs",
)  # fmt: skip

# By `systemctl show`, as long as a unit runs.
PID = "7"

# Of a call: its arguments may have line breaks.
END = "\N{INFORMATION SEPARATOR TWO}"

CONTROL_GROUP = "/system.slice/billing_stage.service"

# What the stub of systemd-run answers, by the expression that the release is to run: lists of versions in files.
_RELEASE = """\
list() {
    while read -r versions; do
        for version in $versions; do echo "$2 $version ${3:-name_$version}"; done
    done < "$HOST/$1"
}
case "$*" in
    *LIST*)
        echo migrations:
        list up up
        list gone up "** FILE NOT FOUND **"
        list down down ;;
    *DOWN*) [ -e "$HOST/deaf" ] || cat "$HOST/left" > "$HOST/up" ;;
    *UP*) [ -e "$HOST/deaf" ] || { cat "$HOST/down" >> "$HOST/up"; : > "$HOST/down"; } ;;
esac
"""
SYSTEMCTL = f"""\
case "$*" in
    *MainPID*) [ -s "$HOST/pid" ] && read -r pid < "$HOST/pid"; echo "${{pid:-{PID}}}" ;;
    *ControlGroup*) echo {CONTROL_GROUP} ;;
esac
"""
# A question to the running node, whatever else a release answers.
_ASKED = """\
case "$*" in *" rpc "*)
    while [ "$1" != -- ]; do shift; done
    shift
    exec node "$@" ;;
esac
"""
_DATABASE = 'case "$*" in *pg_database_size*) echo 1000 ;; *pg_dump*) echo dump ;; esac\n'
_TIMEOUT = 'shift; exec "$@"\n'

SETTINGS = {
    "app": "billing",
    "environment": "stage",
    "domain": "stage.example.com",
    "port": 4001,
    "health_path": "/health",
    "health_timeout": 5,
    "settle_time": 1,
    "keep_releases": 3,
    "migrate_command": "UP",
    "migrate_down_command": "DOWN {version}",
    "migrations_command": "LIST",
    "release_strategy": "restart",
}


@cache
def _real() -> dict[str, str]:
    """Where the commands of REAL are."""
    return {name: shutil.which(name) or name for name in REAL}


class StubHost:
    """A host in a folder, on which 0.1.0 runs and 0.2.0 is unpacked.

    + path: an empty folder
    + settings: of group data, beside SETTINGS
    """

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        self.root, self.state, self.bin = path / "root", path / "state", path / "bin"
        self.switch, self.calls_file = path / "switch", path / "calls"
        self._invocation = 0
        for directory in (self.root / "releases", self.state / "backups", self.bin):
            directory.mkdir(parents=True)
        self._environment = Environment.model_validate(SETTINGS | settings)
        self._write_program()
        self._write_commands()
        for name in ("up", "down", "gone", "left"):
            self.migrations(name, "")
        for version in ("0.1.0", "0.2.0"):
            self.unpack(version)
        self.link("0.1.0")

    def _write_program(self) -> None:
        environment = self._environment
        text = switch.conf(environment)
        places = {
            environment.unit_path: self.path / "unit",
            environment.state_path: self.state,
            environment.root: self.root,
            environment.assets_path: self.path / "static",
        }
        for place, here in places.items():
            text = text.replace(place, str(here))
        self.switch.write_text(program.text("switch.sh").replace("/etc/deploy-ports.d", str(self.path)))
        self.switch.chmod(0o700)
        self.switch.with_name("switch.conf").write_text(text)
        (self.path / "unit").write_text("[Service]\nUser=billing\nExecStart=start\nMemoryMax=1M\n[Install]\n")
        self.calls_file.touch()

    def _write_commands(self) -> None:
        for name, place in _real().items():
            (self.bin / name).symlink_to(place)
        self.stub("systemctl", SYSTEMCTL)
        self.listen("127.0.0.1:4001")
        self.stub("ss", 'exec cat "$HOST/sockets"\n')
        self.stub("nft", 'case "$*" in *"{ "*) grep -qxF "$6" "$HOST/closed" ;; *) cat "$HOST/chain" ;; esac\n')
        self.stub("systemd-run", _RELEASE)
        # A command that asks the running node, in the sandbox.
        self.stub("node", 'exec "$@"\n')
        self.stub("runuser", _DATABASE)
        # psql as postgres.
        self.stub("setpriv", 'shift 5; exec "$@"\n')
        self.stub("timeout", _TIMEOUT)
        self.stub("curl", "printf 200\n")
        self.stub("journalctl", "echo a line of the journal\n")
        self.stub("sleep", "")

    def stub(self, name: str, body: str) -> None:
        """A command that notes its call and then does this.

        + name: of the command
        + body: sh, which starts in half the time of bash; $HOST is the folder
        """
        path = self.bin / name
        path.unlink(missing_ok=True)
        note = f"""printf '%s{END}\\n' "{name} $*" >> "$HOST/calls"\n"""
        asked = _ASKED if name == "systemd-run" else ""
        path.write_text(f"#!/bin/sh\n{note}{asked}{body}")
        path.chmod(0o755)

    def set(self, name: str, value: int) -> None:
        """Another number in the program or in its settings.

        + name: as they call it
        + value: the number
        """
        for path in (self.switch, self.switch.with_name("switch.conf")):
            path.write_text(re.sub(rf"\b{name}=[0-9]+", f"{name}={value}", path.read_text()))

    def listen(self, *addresses: str, group: str = CONTROL_GROUP) -> None:
        """The unit listens there; so does nginx on every interface.

        + addresses: as ss writes them
        + group: control group of the processes
        """
        sockets = [("0.0.0.0:80", "/system.slice/nginx.service"), *((address, group) for address in addresses)]
        lines = [f"LISTEN 0      128    {address} *:*    ino:1 sk:1 cgroup:{where}" for address, where in sockets]
        (self.path / "sockets").write_text("".join(f"{line}\n" for line in lines))

    def close(self, *ports: int) -> None:
        """The kernel drops what reaches these ports from the network."""
        (self.path / "closed").write_text("".join(f"{{ {port} }}\n" for port in ports))
        (self.path / "chain").write_text('iif != "lo" tcp dport @ports tcp flags & (syn | ack) == syn drop\n')

    def unpack(self, version: str, *migrations: str) -> None:
        """A release is on the host, which says of itself that it is this version.

        + migrations: of which it has files
        """
        release = self.root / "releases" / version
        (release / "bin").mkdir(parents=True)
        (release / "bin/billing").write_text(f"#!/bin/sh\necho {version}\n")
        (release / "bin/billing").chmod(0o755)
        files = release / "lib/billing-1/priv/repo/migrations"
        files.mkdir(parents=True)
        for migration in migrations:
            (files / f"{migration}_name.exs").touch()

    def link(self, version: str | None) -> None:
        """A version runs, or none."""
        (self.root / "billing").unlink(missing_ok=True)
        if version:
            (self.root / "billing").symlink_to(f"releases/{version}")

    def migrations(self, state: str, versions: str) -> None:
        """What the release lists.

        + state: up, down, gone (applied, and without a file) or left (applied after taking back)
        + versions: with spaces between
        """
        (self.path / state).write_text(f"{versions}\n")

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of the program."""
        return {
            "PATH": str(self.bin),
            "LC_ALL": "C.UTF-8",
            "HOST": str(self.path),
            "WHO": "ann@desk",
            # systemd gives an action and its end the same one.
            "INVOCATION_ID": str(self._invocation),
            **variables,
        }

    def run(self, *arguments: str, limit: int | None = None, **variables: str) -> str:
        """One action and its end, as systemd calls both. Returns all words.

        + limit: largest size of a file in bytes, as on a full disk
        """
        self._invocation += 1
        main = self._call(arguments, variables, limit)
        result = {0: "success"}.get(main.returncode, "exit-code" if main.returncode > 0 else "signal")
        status = str(abs(main.returncode))
        return main.stdout + self.end(SERVICE_RESULT=result, EXIT_STATUS=status, limit=limit)

    def end(self, limit: int | None = None, **variables: str) -> str:
        """What systemd calls when the program has ended. Returns its words."""
        return self._call(["end"], variables, limit).stdout

    def resume(self, **variables: str) -> str:
        """What systemd calls at boot. Returns its words."""
        self._invocation += 1
        return self._call(["resume"], variables, None).stdout

    def start_whole(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """One action and its end, which a test cuts off, in a process group of its own."""
        self._invocation += 1
        both = '"$@" && result=success || result=exit-code; SERVICE_RESULT=$result "$1" end'
        return subprocess.Popen(
            ["/bin/bash", "-c", both, "systemd", self.switch, *arguments],
            env=self.environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        """One action that the test interrupts, in a process group of its own."""
        self._invocation += arguments != ("end",)
        return subprocess.Popen(
            [self.switch, *arguments],
            env=self.environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _call(
        self, arguments: "list[str] | tuple[str, ...]", variables: Mapping[str, str], limit: int | None
    ) -> "subprocess.CompletedProcess[str]":
        def bound() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        preparation: Callable[[], None] | None = bound if limit is not None else None
        return subprocess.run(
            [self.switch, *arguments],
            env=self.environment(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
            # Python ignores SIGXFSZ, and so does the program then: a write beyond the limit fails as on a full disk.
            restore_signals=False,
            preexec_fn=preparation,
        )

    @property
    def current(self) -> str | None:
        """The version that is linked."""
        link = self.root / "billing"
        return link.readlink().name if link.is_symlink() else None

    @property
    def log(self) -> list[str]:
        """The log of revisions: action, version and outcome of each line."""
        path = self.state / "revisions.log"
        rows = [line.split("\t") for line in path.read_text().splitlines()] if path.exists() else []
        assert all(len(row) == (7 if row[5] in {"good", "left"} else 8) for row in rows), rows
        return [f"{row[2]} {row[3]} {row[5]}" for row in rows]

    @property
    def calls(self) -> list[str]:
        """The commands that the program called, in order."""
        return [call.replace("\n", " ") for call in self.calls_file.read_text().split(f"{END}\n")[:-1]]

    def order(self, *words: str) -> list[int]:
        """Where each of the words first stands in the calls."""
        return [next(place for place, call in enumerate(self.calls) if word in call) for word in words]

    def called(self, words: str) -> int:
        """How many calls hold these words."""
        return sum(words in call for call in self.calls)

    @property
    def backups(self) -> list[str]:
        """The dumps that are there by name, and what else lies among them beside their descriptions."""
        return sorted(path.name for path in (self.state / "backups").iterdir() if path.suffix != ".about")

    @property
    def is_busy(self) -> bool:
        """Whether an action has begun and not ended."""
        return (self.state / "switching").exists()
