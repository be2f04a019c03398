"""`python -m tests.inputs.soak [CASES] [--seed SEED] [--release RELEASE]`, runs `make soak`: new random cases.

Each round of 1,000 cases has a seed of its own; the same seed repeats a failure. Ctrl-C ends the run after any round, with
the mistakes so far. Exit code 1: a mistake. 130: interrupted.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.host.project import Project
from tests.inputs.exploration import Tally, explore
from tests.sandbox.image import RELEASES
from tests.sandbox.machine import Machine, boot
from tests.sandbox.vaults import make_vaults

ROUND = 1000


@contextmanager
def prepared_machine(release: str) -> Iterator[tuple[Machine, Path]]:
    """A machine with the example applied and nginx stopped, and a folder with a key for vaults."""
    with tempfile.TemporaryDirectory(prefix="soak.") as directory:
        vaults = Path(directory) / "vault"
        make_vaults(vaults, ["stage", "prod"])
        project = Project.copy(Path(directory) / "project", vaults)
        with boot(release=release, directory=project.sandbox) as machine:
            project.apply().require_success()
            machine.run("systemctl stop nginx")
            yield machine, vaults


def main() -> int:
    """Run rounds until all cases are tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.inputs.soak", description="Try cases nobody drew before.")
    parser.add_argument("cases", type=int, nargs="?", default=100_000, help="how many; 100,000 if not given")
    parser.add_argument("--seed", type=int, help="of the first round; chosen at random if not given")
    parser.add_argument("--release", choices=RELEASES, default="trixie", help="Debian release of the machine")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    started, done, tally = time.monotonic(), 0, Tally()
    try:
        with prepared_machine(options.release) as (machine, vaults):
            while done < options.cases:
                count, number = min(ROUND, options.cases - done), first + done // ROUND
                before = len(tally.complaints)
                explore(machine, vaults, count, number, tally)
                done += count
                for complaint in tally.complaints[before:]:
                    print(f"WRONG, `python -m tests.inputs.soak {count} --seed {number}`: {complaint}", flush=True)
                print(_progress(done, options.cases, number, tally, time.monotonic() - started), flush=True)
    except KeyboardInterrupt:
        print(
            f"Interrupted after {done} of {options.cases} cases, {len(tally.complaints)} of them wrong.",
            file=sys.stderr,
        )
        return 130
    return 1 if tally.complaints else 0


def _progress(done: int, total: int, number: int, tally: Tally, seconds: float) -> str:
    left = seconds / done * (total - done) / 60
    return (
        f"{done:,} of {total:,} cases (seed {number}): {tally.accepted:,} arrived, {tally.refused:,} refused, "
        f"{len(tally.complaints)} wrong; about {left:.0f} min left"
    )


if __name__ == "__main__":
    sys.exit(main())
