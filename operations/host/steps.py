"""Tells a machine's steps from those of its environments.

pyinfra's plan only names hosts, and a machine's steps run for the first of its environments. The process that plans writes
the machine's steps to a file; a variable names the file.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyinfra import host

VARIABLE = "DEPLOY_MACHINE_STEPS"


@contextmanager
def of_machine() -> Iterator[None]:
    """Record the steps of the block as the machine's."""
    before = len(host.op_hash_order)
    yield
    if path := os.environ.get(VARIABLE):
        with Path(path).open("a") as file:
            file.writelines(f"{step}\n" for step in host.op_hash_order[before:])
