"""The cost of a command: seconds, processor time, memory, remote commands and traffic."""

import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Seconds between two looks at a command's memory; a look takes some hundredths of a second. The first number is for runs
# without a measured time, the second for runs with one.
_OFTEN, _RARELY = 0.2, 3.0


# The name of a table, and its rows by name.
Table = tuple[str, dict[str, "Figures"]]


class BenchError(Exception):
    """A measured command failed."""


@dataclass
class Figures:
    """The cost of several runs of one command.

    + seconds: duration of each run
    + processor: processor time in seconds of each run, with all finished child processes
    + memory: MB of the command and its descendants, at the worst moment of one run
    + commands: number of commands over SSH in one run; None if not counted
    + passed: bytes over the network in one run, both ways; None if not counted
    + visitors: what each run cost those who asked meanwhile, by bench/restart.py
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: float | None = None
    commands: int | None = None
    passed: int | None = None
    visitors: list[dict[str, float]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)

    def dumps(self) -> dict[str, Any]:
        """The figures as JSON."""
        return asdict(self)


def run(figures: Figures, command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> None:
    """Run a command once and note its cost. Raises BenchError, with its output, if it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures.seconds.append(time.monotonic() - began)
    figures.processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    if process.returncode:
        raise BenchError(f"{' '.join(command)} failed:\n{process.stdout[-4000:]}")


def warm_up(figures: Figures, command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> None:
    """Run a command once without noting its time, and note its memory."""
    with _watched(figures, _OFTEN):
        run(Figures(), command, directory, variables)


def run_once(figures: Figures, command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> None:
    """Run a command that takes minutes, and note its whole cost."""
    with _watched(figures, _RARELY):
        run(figures, command, directory, variables)


def say(text: str) -> None:
    """Print the progress on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _watched(figures: Figures, interval: float) -> Iterator[None]:
    """Note the highest memory use of the processes that start in the block."""
    done, before = threading.Event(), _descendants(os.getpid(), set())

    def watch() -> None:
        while not done.wait(interval):
            # The machines started before the block, so their processes do not count.
            figures.memory = max(figures.memory or 0.0, sum(map(_memory, _descendants(os.getpid(), before))))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _descendants(process: int, others: set[int]) -> set[int]:
    """All descendants of a process, except some others and their descendants."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # proc(5): after the name in parentheses, state and parent.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {process}} - found - others:
        found |= more
    return found


def _memory(process: int) -> float:
    """MB of a process: its private memory and its part of shared memory."""
    try:
        for line in (Path("/proc") / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0
