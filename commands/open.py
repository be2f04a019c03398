"""Print the address of the site, and open it in a browser.

It opens none on a computer without a desktop, or in a pipe.

Exit code 0: the address is printed. 1: there is no such environment.
"""

import os
import sys

import click

from commands import options
from commands.remote import targets


@options.command(__doc__)
@options.environment
def command(environment: str) -> None:
    """Print and open it."""
    [(_, chosen), *_] = targets([environment])
    click.echo(f"{chosen.url}/")
    desktop = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if desktop and sys.stdout.isatty():
        click.launch(f"{chosen.url}/")


if __name__ == "__main__":
    command()
