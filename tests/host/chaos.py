"""`python -m tests.host.chaos [CUTS] [--seed SEED] [--release RELEASE]`, runs `make chaos`: power cuts at random moments.

Each cut has a seed of its own: the same seed repeats its action and its moment. Ctrl-C ends the run. Exit code 1: something
was lost, or a command did not go through. 130: interrupted.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.host.conftest import prepare
from tests.host.cut_actions import VARIANTS, actions, machine
from tests.host.cuts import Action, Moment, count, cut
from tests.host.releases import build_variants
from tests.sandbox.image import RELEASES
from tests.sandbox.requirements import SandboxError

# Seconds after the moment: at once, before and after the disk's journal has written the names.
PAUSES = (0.0, 1.0, 6.0)


def moment(seed: int, every: dict[str, Action], calls: dict[str, int]) -> tuple[Action, Moment]:
    """The action and the moment of a seed.

    + seed: any number
    + every: the actions
    + calls: how many moments each of them has
    """
    drawn = random.Random(seed)  # noqa: S311  no secret
    action = every[drawn.choice(sorted(every))]
    # Beyond the last call the action has ended, and the power goes some seconds later.
    call = drawn.randint(1, calls[action.name] + max(2, calls[action.name] // 8))
    return action, Moment(call, after=drawn.random() < 0.5, pause=drawn.choice(PAUSES))


class Tally:
    """The cuts so far, and those that were survived, by action."""

    def __init__(self) -> None:
        self.cuts: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()

    def __str__(self) -> str:
        parts = [f"{name} {self.survived[name]} of {number}" for name, number in sorted(self.cuts.items())]
        return f"{self.survived.total()} of {self.cuts.total()} power cuts survived ({', '.join(parts) or 'none'})"


def run(number: int, first: int, release: str, tally: Tally, strategy: str, only: str | None = None) -> None:
    """Cut until the number is reached. After something went wrong, the next cut gets a new machine.

    + number: of cuts
    + first: seed of the first; each further one adds 1
    + release: trixie or bookworm
    + tally: is counted in
    + strategy: release_strategy of both environments
    + only: name of the one action to cut
    """
    with tempfile.TemporaryDirectory(prefix="chaos.") as temporary:
        directory = Path(temporary)
        prepared = prepare(release)
        (directory / "variants").mkdir()
        built = build_variants(release, directory / "variants", VARIANTS)
        every = {name: action for name, action in actions(built).items() if only in (None, name)}
        calls: dict[str, int] = {}
        while tally.cuts.total() < number:
            place = directory / f"machine{tally.cuts.total()}"
            with machine(prepared, built, place, strategy=strategy) as host:
                calls = calls or {name: len(count(host, action)) for name, action in every.items()}
                while tally.cuts.total() < number:
                    seed = first + tally.cuts.total()
                    action, when = moment(seed, every, calls)
                    try:
                        wrong = cut(host, action, when)
                    except (AssertionError, SandboxError, subprocess.SubprocessError) as error:
                        wrong = [f"{type(error).__name__}: {error}"]
                    tally.cuts[action.name] += 1
                    tally.survived[action.name] += not wrong
                    print(f"{action.name} at {when}, --seed {seed}: {'LOST' if wrong else 'well'}", flush=True)
                    for words in wrong:
                        print(f"    {words}", flush=True)
                    if wrong:
                        break


def main() -> int:
    """Run the given number of cuts."""
    parser = argparse.ArgumentParser(prog="python -m tests.host.chaos", description="Cut the power at random moments.")
    parser.add_argument("cuts", type=int, nargs="?", default=200, help="how many; 200 if not given")
    parser.add_argument("--seed", type=int, help="of the first cut; chosen at random if not given")
    parser.add_argument("--release", choices=RELEASES, default="trixie", help="Debian release of the machine")
    parser.add_argument("--only", help="name of the one action to cut; the seeds then mean other moments")
    parser.add_argument("--strategy", choices=["restart", "stand_in"], default="restart", help="release_strategy")
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    tally = Tally()
    try:
        run(options.cuts, first, options.release, tally, options.strategy, options.only)
    except KeyboardInterrupt:
        print(f"Interrupted: {tally}.")
        return 130
    print(f"{tally}.")
    return 0 if tally.survived.total() == tally.cuts.total() else 1


if __name__ == "__main__":
    sys.exit(main())
