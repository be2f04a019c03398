"""Follow the journal of the application and its switches.

Exit code: that of journalctl on the host. 1: also if it cannot run there, and standard error says why. 130: interrupted.
"""

from collections.abc import Sequence

import click

from commands import options
from commands.remote import targets, wait_for_ssh


@options.command(__doc__)
@options.environment
@click.option("--since", metavar="TIME", help="All of it from then on; as journalctl takes it, e.g. -1h.")
@click.option("--lines", type=int, default=100, metavar="N", show_default=True, help="The last lines of it.")
@click.option("--no-follow", is_flag=True, help="End after what there is.")
def command(environment: str, since: str | None, lines: int, no_follow: bool) -> int:
    """Show the journal."""
    [(host, chosen), *_] = targets([environment])
    units = (chosen.unit, chosen.standin_unit, chosen.switch_unit, chosen.boot_unit)
    goes_on = f"The application goes on: make status ENV={chosen.environment} asks for it."
    code = wait_for_ssh(host, journal(units, since=since, lines=lines, follow=not no_follow), goes_on)
    if code == 1 and since:
        click.echo(f"SINCE={since}: journalctl takes times such as -1h, yesterday or '2026-01-31 14:00'.", err=True)
    return code


def journal(units: Sequence[str], *, since: str | None, lines: int, follow: bool) -> list[str]:
    """The command that shows a journal.

    + units: units of systemd
    + since: beginning, or None for the last lines
    + lines: number of last lines
    + follow: whether to wait for more lines
    """
    # --follow alone shows ten lines.
    begin = [f"--since={since}", "--no-tail"] if since else [f"--lines={lines}"]
    shown = [f"--unit={unit}" for unit in units]
    return ["sudo", "-n", "journalctl", "--quiet", "--no-hostname", *begin, *["--follow"] * follow, *shown]


if __name__ == "__main__":
    command()
