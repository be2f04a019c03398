"""What an apply would do, as pyinfra's own command line plans it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pyinfra.api.exceptions import PyinfraError

from group_data.schema.paths import CHECKOUT
from preflight.options import process_environment


class PlanError(PyinfraError):
    """There is no plan; the message is what pyinfra said on standard error, or empty when that was shown already."""


class Change(NamedTuple):
    """One operation that would change one host.

    + host: name in the inventory
    + operation: its `name=`
    + of_machine: whether the step belongs to the machine, and not to the environment it runs for
    """

    host: str
    operation: str
    of_machine: bool = False


def changes(hosts: Sequence[str], *, show_progress: bool = False) -> list[Change]:
    """What `pyinfra inventory.py deploy.py --dry` lists as changes, in its order.

    + hosts: names in the inventory, for `--limit`
    + show_progress: let pyinfra's standard error through while it runs

    Raises PlanError when pyinfra fails, or ends without a plan.
    """
    command = [sys.executable, "-m", "pyinfra", "inventory.py", "deploy.py", "--dry", "--json"]
    with (
        tempfile.TemporaryFile("w+") as answer,
        tempfile.NamedTemporaryFile("r") as steps,
        subprocess.Popen(
            [*command, *(argument for host in hosts for argument in ("--limit", host))],
            cwd=CHECKOUT,
            env=process_environment({"MACHINE_STEPS": steps.name}),
            stdin=subprocess.DEVNULL,
            stdout=answer,
            # Never the terminal itself: what pyinfra says of a Ctrl-C while it starts, a traceback, ends with this process.
            stderr=subprocess.PIPE,
            text=True,
        ) as pyinfra,
    ):
        said = "".join(_let_through(pyinfra.stderr or (), show_progress=show_progress))
        exit_code = pyinfra.wait()
        answer.seek(0)
        output = answer.read()
        of_machine = set(steps.read().split())
    # Interrupted before it has read the inventory, pyinfra exits 0 as well, without a plan.
    if exit_code != 0 or not output.startswith("{"):
        raise PlanError("" if show_progress else said.strip())
    return [
        Change(host, operation["name"], operation["op_hash"] in of_machine)
        for operation in json.loads(output)["plan"]
        for host in (*operation["hosts_with_change"], *operation["hosts_with_conditional_change"])
    ]


def _let_through(lines: Iterable[str], *, show_progress: bool) -> Iterator[str]:
    for line in lines:
        if show_progress:
            sys.stderr.write(line)
            sys.stderr.flush()
        yield line
