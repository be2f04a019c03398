"""What takes long to make and is then only read, for all processes that run tests."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def once(directory: Path, make: Callable[[Path], None]) -> Path:
    """The directory, filled by whoever comes first; the others wait. One that fails leaves it to the next.

    + make: fills it; what it is given is renamed when it is done
    """
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            making = directory.with_suffix(".new")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            make(making)
            making.rename(directory)
    return directory
