"""A local user of a machine, who reads over and over, and notes which needles it meets."""

from collections.abc import Sequence
from pathlib import Path

from tests.sandbox.machine import Machine

HOME = "/home/mallory"


def start(machine: Machine, name: str, needles: Sequence[str], notes: Sequence[str]) -> None:
    """The user reads from now on, in the unit `spy`.

    + name: program beside this file
    + needles: what it looks for
    + notes: names of the files in its home that it writes
    """
    text = "".join(Path(__file__).with_name(part).read_text() for part in ("needles.pl", name))
    machine.run("id mallory > /dev/null 2>&1 || useradd --create-home --shell /bin/bash mallory")
    machine.run(
        f"umask 077; cd {HOME} && cat > spy.pl && for file in {' '.join(notes)}; do : > $file; done", "mallory", text
    )
    machine.run(f"umask 077; cat > {HOME}/needles", "mallory", "".join(f"{needle}\n" for needle in needles))
    machine.run(f"systemd-run --quiet --collect --unit spy --uid mallory perl {HOME}/spy.pl {HOME}")


def met(machine: Machine, needles: Sequence[str], notes: str) -> dict[str, str]:
    """Needles that it met, and where.

    + notes: name of the file with them
    """
    lines = machine.run(f"cat {HOME}/{notes}").stdout.splitlines()
    return {needles[int(number)]: place for number, place in (line.split(" ", 1) for line in lines)}
