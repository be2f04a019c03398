"""Errors of this computer's files in one sentence: a checkout of another user, a full disk, a directory without access."""

import errno
import re
from collections.abc import Callable
from typing import Any

from pyinfra import logger
from pyinfra_cli.exceptions import UnexpectedExternalError, UnexpectedInternalError

# Errors that a person mends. Others, such as a file that is missing, are errors of this program or of a connection.
_MENDED_BY_PEOPLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOTDIR, errno.EISDIR,
    errno.ELOOP, errno.ENAMETOOLONG, errno.EMFILE, errno.ENFILE,
}  # fmt: skip

# Python's words where neither TMPDIR nor /tmp can be written. It gives them the number of a missing file.
_NO_TEMPORARY = "No usable temporary directory"

# pyinfra's words about a file that @local could not write.
_OF_LOCAL = re.compile(r"""Command socket/SSH error: \w+\((["'])(?P<words>.*)\1,?\)""")


def sentence(error: BaseException) -> str | None:
    """The error in words for people; None if it is another kind of error.

    + error: that ended a command
    """
    if not isinstance(error, OSError):
        return None
    words = error.strerror or ""
    if words.startswith(_NO_TEMPORARY):
        return f"on this computer: {words}. Make room there, or set TMPDIR to a directory that you may write to"
    if error.errno not in _MENDED_BY_PEOPLE:
        return None
    return (
        f"{error.filename or 'a file'} on this computer: {words}. Whose are the files of this checkout, and is their disk "
        "full or read-only?"
    )


def without_wrapping(text: str) -> str:
    """pyinfra's line about a file that could not be written here, in the words of the program that tried.

    + text: any line
    """
    return _OF_LOCAL.sub(lambda found: found["words"], text)


def explain() -> None:
    """From now on pyinfra tells such an error in one sentence, and not in a traceback. A second call changes nothing."""
    for kind in (UnexpectedExternalError, UnexpectedInternalError):
        if not getattr(kind.show, "explains", False):
            kind.show = _explained(kind.show)


def _explained(real: Callable[..., None]) -> Callable[..., None]:
    def show(self: Any, file: Any = None) -> None:
        words = sentence(self.exception)
        if words:
            logger.error(words)
        else:
            real(self, file)

    vars(show)["explains"] = True
    return show
