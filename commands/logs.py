"""Follow the journal of the application and its switches.

Exit code: that of journalctl on the host. 1: also when it cannot be asked, and standard error says why.
"""

from collections.abc import Sequence

import click

from commands import options
from commands.remote import become_ssh, targets


@options.command(__doc__)
@options.environment
@click.option("--since", metavar="TIME", help="All of it from then on; as journalctl takes it, e.g. -1h.")
@click.option("--lines", type=int, default=100, metavar="N", show_default=True, help="The last lines of it.")
@click.option("--no-follow", is_flag=True, help="End after what there is.")
def command(environment: str, since: str | None, lines: int, no_follow: bool) -> None:
    """Show it."""
    [(host, chosen), *_] = targets([environment])
    become_ssh(host, journal((chosen.unit, chosen.switch_unit), since=since, lines=lines, follow=not no_follow))


def journal(units: Sequence[str], *, since: str | None, lines: int, follow: bool) -> list[str]:
    """The command that shows a journal.

    + units: of systemd
    + since: the beginning, or None for the last lines
    + lines: how many
    + follow: whether to wait for more
    """
    # --follow alone shows ten lines.
    begin = [f"--since={since}", "--no-tail"] if since else [f"--lines={lines}"]
    shown = [f"--unit={unit}" for unit in units]
    return ["sudo", "-n", "journalctl", "--quiet", "--no-hostname", *begin, *["--follow"] * follow, *shown]


if __name__ == "__main__":
    command()
