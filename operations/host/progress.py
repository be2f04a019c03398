"""A long upload shows that it goes on, on a terminal alone."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

# Seconds between two lines.
PAUSE = 5.0


@contextmanager
def of_upload(file: BinaryIO, say: Callable[[str], object], pause: float = PAUSE) -> Iterator[None]:
    """Say now and then how much of a file another process has read, without a line for a short upload.

    + file: that the process has for its standard input: the two share the place they are at
    + say: takes one line
    + pause: seconds between two lines
    """
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
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
