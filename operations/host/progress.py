"""Progress of a long upload, shown only on a terminal."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

# Seconds between two lines.
PAUSE = 5.0


def is_seen() -> bool:
    """Whether lines about progress reach a terminal: somebody must see them."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def of_upload(file: BinaryIO, say: Callable[[str], object], pause: float = PAUSE) -> Iterator[None]:
    """Say now and then how much of a file another process has read. A short upload gets no line.

    + file: standard input of that process; both share the position in the file
    + say: takes one line
    + pause: seconds between two lines
    """
    if not is_seen():
        yield
        return
    ended = threading.Event()
    total = os.fstat(file.fileno()).st_size

    def tell() -> None:
        while not ended.wait(pause):
            say(f"{_megabytes(os.lseek(file.fileno(), 0, os.SEEK_CUR))} of {_megabytes(total)} MB")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.0f}"
