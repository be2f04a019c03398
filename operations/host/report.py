"""Lines of a plan with `--diff` for our own operations."""

from collections.abc import Callable

from pyinfra import host, logger, state
from pyinfra.api.output import format_text
from pyinfra.facts.files import FileContents
from pyinfra.operations.util.files import generate_color_diff


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
    for line in generate_color_diff(hide(current).splitlines(keepends=True), hide(content).splitlines(keepends=True)):
        logger.info("  %s", line)
