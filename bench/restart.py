"""How long a site is without an answer of its application: `python -m bench.restart [--rounds N]`.

On a throwaway machine a client asks for a page without pause while the application is restarted in each way there is.
Printed are medians, and their ratios to a bare `systemctl restart`. What nginx answers meanwhile is looked at too: the run
fails if it is anything but the page that says so.
"""

import argparse
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.host.project import Project
from tests.host.releases import NAMES, Variant, build_variants
from tests.sandbox.image import RELEASES
from tests.sandbox.machine import Machine, boot
from tests.sandbox.vaults import make_vaults

# What the page of nginx says (templates/502.html.j2).
FRIENDLY = "Back in a moment"

OLD = Variant("stage", "0.1.0", migrations=1)
NEW = Variant("stage", "0.2.0")


class Client:
    """Asks for stage's page, one request after the other, and notes from when to when it was not the application's."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.first = self.last = 0.0
        self.unfriendly: set[str] = set()

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def gap(self) -> float:
        """Seconds from the last answer before the restart to the first one after it."""
        return self.last - self.first

    def _ask(self) -> None:
        answered = time.monotonic()
        failing = False
        # A restart that was asked for is waited for, however long the application takes.
        while failing or not self._stop.is_set():
            connection = http.client.HTTPConnection(self._address, timeout=10)
            connection.request("GET", "/", headers={"Host": NAMES["stage"]})
            response = connection.getresponse()
            text = response.read().decode()
            connection.close()
            now = time.monotonic()
            if response.status == 200:
                if failing:
                    self.last = now
                failing, answered = False, now
            else:
                if not failing and not self.first:
                    self.first = answered
                failing = True
                if FRIENDLY not in text:
                    self.unfriendly.add(f"{response.status} {text[:60]!r}")
            time.sleep(0.005)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code.

    + arguments: the command line without the program, by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m bench.restart", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="measured after one that is not; default 5")
    parser.add_argument("--release", choices=RELEASES, default="trixie", help="Debian of the machine; default trixie")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        return _measure(Path(directory), options.release, options.rounds)


def _measure(directory: Path, debian: str, rounds: int) -> int:
    make_vaults(directory / "vaults", ["stage", "prod"])
    project = Project.copy(directory / "project", directory / "vaults")
    project.edit("all", settle_time=1)
    tarballs = build_variants(debian, directory, [OLD, NEW])
    with boot(release=debian, directory=project.sandbox) as machine:
        _say("preparing a machine")
        project.apply().require_success()
        for tarball in tarballs.values():
            _deploy(project, "deploys/release.py", TARBALL=str(tarball))
        ways: dict[str, Callable[[], object]] = {
            "systemctl restart": lambda: _systemctl(machine),
            "make restart": lambda: _deploy(project, "deploys/restart.py"),
            "make rollback": lambda: _deploy(project, "deploys/rollback.py", VERSION="0.1.0"),
            "make release": lambda: _deploy(project, "deploys/release.py", VERSION="0.2.0"),
        }
        gaps: dict[str, list[float]] = {way: [] for way in ways}
        # One of each in turn, so that what else the computer does is spread over all; the first time warms up.
        for round_ in range(rounds + 1):
            _say(f"round {round_} of {rounds}" if round_ else "warming up")
            for way, restart in ways.items():
                with Client(machine.address) as client:
                    time.sleep(0.2)
                    restart()
                    time.sleep(1)
                if client.unfriendly:
                    print(f"{way}: nginx answered {', '.join(client.unfriendly)}", file=sys.stderr)
                    return 1
                gaps[way] += [client.gap] * bool(round_)
    _print(gaps, debian)
    return 0


def _systemctl(machine: Machine) -> None:
    machine.run("systemctl restart billing_stage")


def _deploy(project: Project, file: str, **options: str) -> None:
    command = ["env", *(f"DEPLOY_{name}={value}" for name, value in options.items()), sys.executable, "-m", "pyinfra"]
    project.run(*command, "inventory.py", file, "--limit", "stage", "--yes").require_success()


def _print(gaps: dict[str, list[float]], debian: str) -> None:
    base = statistics.median(next(iter(gaps.values())))
    print(f"Without an answer of the application, {debian}, medians of {len(next(iter(gaps.values())))}:")
    for way, seconds in gaps.items():
        median = statistics.median(seconds)
        print(f"  {way:<20} {median:6.2f} s   {median / base:4.1f}   ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"Meanwhile nginx answered 502 with its page, {FRIENDLY!r}, to every request.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
