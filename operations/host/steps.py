"""Which steps of a plan belong to a machine, and which to one of its environments.

pyinfra's plan names hosts alone, and a machine's steps run for whichever of its environments comes first. The process that
plans writes the machine's steps to the file that a variable names.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyinfra import host

VARIABLE = "DEPLOY_MACHINE_STEPS"


@contextmanager
def of_machine() -> Iterator[None]:
    """The steps of the block are the machine's, whatever they are called."""
    before = len(host.op_hash_order)
    yield
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a") as file:
            file.writelines(f"{step}\n" for step in host.op_hash_order[before:])
