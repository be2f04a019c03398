"""Write docs/group-data.md from the models.

Exit code 0: written.
"""

from commands import options, reference


@options.command(__doc__)
def command() -> None:
    """Write it."""
    reference.FILE.write_text(reference.text())


if __name__ == "__main__":
    command()
