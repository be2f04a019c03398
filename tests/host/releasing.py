"""Releases in tests, as an operator makes them, and a client that watches the other environment meanwhile."""

import contextlib
import http.client
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from tests.host.conftest import Host
from tests.host.project import Run
from tests.host.releases import NAMES, page
from tests.host.web import tls_connect
from tests.sandbox.machine import Machine

PYINFRA = (sys.executable, "-m", "pyinfra", "inventory.py")

# A client's requests a second, by which it counts as a user who looks all the time.
RATE = 20


def release(host: Host, environment: str, tarball: Path | None = None, **options: str) -> Run:
    """A release that asks nothing.

    + tarball: on this computer
    + options: VERSION and what else the entry point reads, without DEPLOY_
    """
    if tarball:
        options["TARBALL"] = str(tarball)
    return entry_point(host, "deploys/release.py", environment, **options)


def entry_point(host: Host, file: str, environment: str, **options: str) -> Run:
    """A pyinfra deploy of one environment that asks nothing, with variables of its process."""
    return host.project.run("env", *_assignments(options), *PYINFRA, file, "--limit", environment, "--yes")


@contextlib.contextmanager
def begun(host: Host, file: str, environment: str, **options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A deploy under way: its process, which is the controller's own, and the file with what it says."""
    output = host.project.path / f"{file}.{environment}.out"
    with output.open("wb") as log:
        process = subprocess.Popen(
            ["env", *_assignments(options), *PYINFRA, file, "--limit", environment, "--yes"],
            cwd=host.project.path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process, output
        finally:
            process.kill()
            process.wait()


def _kill_controller(_: Machine, process: subprocess.Popen[bytes]) -> None:
    process.kill()


def _cut_connection(machine: Machine, _: subprocess.Popen[bytes]) -> None:
    # The process of sshd that serves the connection, as when a network goes down and sshd has noticed.
    machine.run("pkill -KILL -u devops -f 'sshd.*devops'")


# Ways in which a deploy under way loses its controller.
CUTS = {"controller killed": _kill_controller, "connection cut": _cut_connection}


def _assignments(options: dict[str, str]) -> list[str]:
    return [f"DEPLOY_{name}={value}" for name, value in options.items()]


def version(machine: Machine, environment: str) -> str:
    """The version the page names, from outside; the status if there is none."""
    answer = page(machine, environment)
    return answer.text.splitlines()[0].removeprefix("version ") if answer.status == 200 else str(answer.status)


def invoices(machine: Machine, environment: str) -> int:
    """How many rows the application says its table has."""
    line = next(line for line in page(machine, environment).text.splitlines() if line.startswith("invoices "))
    return int(line.removeprefix("invoices "))


def psql(machine: Machine, environment: str, query: str) -> str:
    """What a query as the superuser prints."""
    return machine.run(f"cd / && runuser -u postgres -- psql -XAt billing_{environment}", stdin=query).stdout.strip()


def migrations(machine: Machine, environment: str) -> list[str]:
    """Versions that are applied, as the database has them."""
    return psql(machine, environment, "SELECT version FROM schema_migrations ORDER BY version").split()


def linked(machine: Machine, environment: str) -> str:
    """The version that is linked."""
    return machine.run(f"basename $(readlink /home/billing/{environment}/billing)").stdout.strip()


def present(machine: Machine, environment: str) -> list[str]:
    """Versions that are unpacked, and whatever else lies among them."""
    return machine.run(f"ls -A /home/billing/{environment}/releases").stdout.split()


def log(machine: Machine, environment: str) -> list[tuple[str, str, str]]:
    """What, version and outcome of each line in the log of revisions."""
    lines = machine.run(f"cat /var/lib/billing_{environment}/revisions.log").stdout.splitlines()
    return [(fields[2], fields[3], fields[5]) for fields in (line.split("\t") for line in lines)]


def lock_is_free(host: Host) -> bool:
    """Whether another run would get the machine's lock."""
    run = host.project.run(sys.executable, "-m", "commands.unlock", "--show")
    return run.exit_code == 0


def at_work(machine: Machine, environment: str) -> bool:
    """Whether a release is being switched, or going back."""
    state = machine.run(f"systemctl show --property ActiveState --value billing_{environment}-switch.service").stdout
    return state.strip() not in {"inactive", "failed"}


def restarts(machine: Machine, environment: str) -> int:
    """How often the unit was started since the machine was."""
    unit = f"billing_{environment}.service"
    return int(machine.run(f"journalctl --quiet --unit {unit} --grep '^Started ' --output cat | wc -l").stdout)


class Changed(NamedTuple):
    """A tarball made from another one: a function changes the unpacked directory first."""

    source: Path
    target: Path

    def by(self, change: Callable[[Path], object]) -> Path:
        """The new tarball."""
        directory = self.target.with_suffix(".tree")
        shutil.rmtree(directory, ignore_errors=True)
        with tarfile.open(self.source) as archive:
            archive.extractall(directory, filter="tar")
        change(directory)
        with tarfile.open(self.target, "w:gz", compresslevel=1) as archive:
            archive.add(directory, ".")
        return self.target


class Complaint(NamedTuple):
    """A request that was not answered well.

    + when: seconds on the monotonic clock
    + what: the status, or the error
    """

    when: float
    what: str


class Watcher:
    """A client that asks for a page RATE times a second, and notes every answer that was none.

    + machine: of the site
    + environment: whose page it is
    """

    def __init__(self, machine: Machine, environment: str = "prod") -> None:
        self._machine = machine
        self._environment = environment
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self.asked = 0
        self.complaints: list[Complaint] = []

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        began = time.monotonic()
        connection = self._connection()
        used = False
        while not self._stop.is_set():
            try:
                connection.request("GET", "/", headers={"Host": NAMES[self._environment]})
                answer = connection.getresponse()
                answer.read()
                used = isinstance(connection, _Kept)
                if not used:
                    connection.close()
                problem = "" if answer.status == 200 else str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                connection = self._connection()
                # nginx closes a kept one when it reloads, at which a browser asks again.
                if used and isinstance(error, (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError)):
                    used = False
                    continue
                problem = repr(error)
            self.complaints += [Complaint(time.monotonic(), problem)] * bool(problem)
            self.asked += 1
            self._stop.wait(max(0.0, began + self.asked / RATE - time.monotonic()))

    def _connection(self) -> http.client.HTTPConnection:
        kind = _Kept if self._environment == "prod" else http.client.HTTPConnection
        return kind(self._machine.address, timeout=5)


class _Kept(http.client.HTTPConnection):
    """A TLS connection to prod that is kept, as a browser keeps it: most of a request is otherwise the handshake."""

    @override
    def connect(self) -> None:
        self.sock = tls_connect(self.host, NAMES["prod"])
