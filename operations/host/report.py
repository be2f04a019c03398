"""Lines of a plan with `--diff` for our own operations."""

from collections.abc import Callable

from pyinfra import host, logger, state
from pyinfra.api.output import format_text
from pyinfra.facts.files import FileContents
from pyinfra.operations.util.files import generate_color_diff

from connectors.terminal import harmless


def announce(text: str) -> None:
    """Announce a step in a plan with `--diff` that does more than change a file.

    + text: a sentence without a full stop
    """
    if state.config.DIFF and not state.is_executing:
        host.log(text, logger.info)


def show_diff(path: str, content: str, hide: Callable[[str], str] = str) -> None:
    """Show the difference in a file that `files.put` does not write.

    + path: of the file
    + content: the new content
    + hide: hides secrets in a text and keeps the number of lines
    """
    if not state.config.DIFF or state.is_executing:
        return
    current = "".join(f"{line}\n" for line in host.get_fact(FileContents, path=path) or [])
    host.log(f"Will {'modify' if current else 'create'} {format_text(path, bold=True)}", logger.info)
    # An application's checkout is no host, whose words arrive harmless.
    before, after = (harmless(hide(text)).splitlines(keepends=True) for text in (current, content))
    for line in generate_color_diff(before, after):
        logger.info("  %s", line)
