"""What a plan with `--diff` says of steps that are not an operation of pyinfra's."""

from collections.abc import Callable

from pyinfra import host, logger, state
from pyinfra.api.output import format_text
from pyinfra.facts.files import FileContents
from pyinfra.operations.util.files import generate_color_diff


def announce(text: str) -> None:
    """Say in a plan with `--diff` what a step is going to do that is not a change of a file.

    + text: a sentence without a full stop
    """
    if state.config.DIFF and not state.is_executing:
        host.log(text, logger.info)


def show_diff(path: str, content: str, hide: Callable[[str], str] = str) -> None:
    """What will change in a file that `files.put` does not write.

    + path: of the file
    + content: what it is going to hold
    + hide: takes out of a text what nobody may see, and no line
    """
    if not state.config.DIFF or state.is_executing:
        return
    current = "".join(f"{line}\n" for line in host.get_fact(FileContents, path=path) or [])
    host.log(f"Will {'modify' if current else 'create'} {format_text(path, bold=True)}", logger.info)
    for line in generate_color_diff(hide(current).splitlines(keepends=True), hide(content).splitlines(keepends=True)):
        logger.info("  %s", line)
